/** Workflow id of a set, with the installation's short id. */
export function backupWorkflowId(setId: string, installation: string): string {
  return `backup-${setId}-${installation}`;
}

/** Workflow id of a restore, a verify or a copy. */
export function retrievalWorkflowId(id: string, installation: string): string {
  return `${id}-${installation}`;
}
