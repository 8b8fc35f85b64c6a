/** The task queues of one installation; its short id is in each name, so that installations can share a namespace. */
export interface Queues {
  /** Workflows, and activities that any archive worker can do: they need the catalog and staging alone. */
  archive: string;
  /** Ordinary activities that need the sources of a host; undefined: the host that made the installation. */
  host(name: string | undefined): string;
  /** Compressions of a host's sources: its worker runs `PARALLEL_GROUPS` of them at once. */
  compress(host: string | undefined): string;
  /** Writes to one drive: one worker with one slot. */
  drive(name: string): string;
  /** Activities that check a drive or wait for it without holding its slot. */
  driveHost(name: string): string;
}

/**
 * The queues of an installation, by its short id. The id has no dot, so queue names never collide, whatever drives and
 * hosts are called. Those of the first host have no host's name: they are older than hosts are, and it may be renamed.
 */
export function queuesOf(installation: string): Queues {
  const prefix = `tapeflow-${installation}.`;
  return {
    archive: `${prefix}archive`,
    host: (name) => `${prefix}host${name === undefined ? '' : `.${name}`}`,
    compress: (host) => `${prefix}compress${host === undefined ? '' : `.${host}`}`,
    drive: (name) => `${prefix}drive.${name}`,
    driveHost: (name) => `${prefix}drive-host.${name}`,
  };
}

/** The queue of versions whose names were the same in every installation. Nobody serves it any more. */
export const legacyArchiveQueue = 'tapeflow-archive';

/** The short id in the name of an archive queue; undefined for any other queue. */
export function installationIn(archiveQueue: string): string | undefined {
  return /^tapeflow-([^.]+)\.archive$/.exec(archiveQueue)?.[1];
}
