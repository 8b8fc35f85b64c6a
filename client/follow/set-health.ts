import { unfinishedSets } from '../../catalog/sets/sets.js';
import { workflowTrouble, type WorkflowTrouble } from '../../workers/server/workflow-trouble.js';
import { backupWorkflowId } from '../../workflows/messages.js';
import { findServer, setHandle, type Server, type Session } from '../session.js';

/** Why an unfinished set gets nowhere, and what to do about it. */
export interface SetTrouble extends WorkflowTrouble {
  advice: string;
}

/** What the server says of an unfinished set's workflow, when that cannot go on by itself; undefined when it can. */
export async function troubleOf(server: Server, setId: string): Promise<SetTrouble | undefined> {
  const trouble = await workflowTrouble(server, backupWorkflowId(setId, server.installation));
  if (trouble === undefined) return undefined;
  const { runId: _, ...rest } = trouble;
  const byItself =
    trouble.kind === 'stuck' || !server.isLookedAfter
      ? ''
      : 'Workers take it up by themselves within some minutes; ';
  return {
    ...rest,
    advice: `${byItself}\`tapeflow resume ${setId}\` takes it up again${byItself === '' ? ' from the catalog' : ' at once'}.`,
  };
}

/** Ends the stuck workflow of a set, so that another can be started. Its steps stop at their next heartbeat. */
export async function endStuck(server: Server, setId: string, trouble: SetTrouble): Promise<void> {
  await setHandle(server, setId).terminate(`tapeflow: ${trouble.finding}`);
}

/** Unfinished sets that the running server does not work on, or in vain. */
export async function troubledSets(session: Session): Promise<{ setId: string; trouble: SetTrouble }[]> {
  const unfinished = await unfinishedSets(await session.catalog());
  if (unfinished.length === 0) return [];
  const server = await findServer(session);
  if (server === undefined) return [];
  try {
    const troubled: { setId: string; trouble: SetTrouble }[] = [];
    for (const { id } of unfinished) {
      const trouble = await troubleOf(server, id);
      if (trouble !== undefined) troubled.push({ setId: id, trouble });
    }
    return troubled;
  } finally {
    await server.close();
  }
}
