/** The task queues of one installation; its short id is in each name, so that two of them can share a namespace. */
export interface Queues {
  /** Workflows and ordinary activities. */
  archive: string;
  /** Compressions: its worker runs `PARALLEL_GROUPS` of them at once. */
  compress: string;
  /** Writes to one drive: one worker with one slot. */
  drive(name: string): string;
  /** What looks at a drive or waits for it, and must not hold its slot. */
  driveHost(name: string): string;
}

/**
 * The queues of an installation, by its short id. That has no dot, so no two queues share a name whatever drives are
 * called.
 */
export function queuesOf(installation: string): Queues {
  const prefix = `tapeflow-${installation}.`;
  return {
    archive: `${prefix}archive`,
    compress: `${prefix}compress`,
    drive: (name) => `${prefix}drive.${name}`,
    driveHost: (name) => `${prefix}drive-host.${name}`,
  };
}

/** The queue of workflows in versions whose names were alike in every installation. Nobody serves it any more. */
export const formerArchiveQueue = 'tapeflow-archive';

/** The short id in the name of an installation's archive queue; undefined for any other queue. */
export function installationIn(archiveQueue: string): string | undefined {
  return /^tapeflow-([^.]+)\.archive$/.exec(archiveQueue)?.[1];
}
