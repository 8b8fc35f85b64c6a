import type { Generated } from 'kysely';

/**
 * The hosts of the installation. Times are milliseconds since 1970 by the clock of the catalog: that of PostgreSQL's
 * machine, or of this one.
 */
export interface HostsTable {
  name: string;
  /** The id of its data folder: see `ThisHost`. */
  id: string;
  /** 1: the host that made the installation, whose sources and queues have no host's name. */
  home: number;
  /** The machine's own name and the data folder there, for people. */
  machine: string;
  data_dir: string;
  /** The version of tapeflow that runs there. */
  version: string;
  /** 1: its workers use the embedded server, which no other host reaches. */
  embedded: number;
  /** When any of its workers was last heard of, and an archive worker; null: that has said that it stops. */
  heard_at: number;
  archive_at: Generated<number | null>;
  /** Milliseconds by which its clock was ahead of the catalog's then. */
  clock_ahead: Generated<number>;
}

/** The drives of the hosts that a worker serves, or has served. A name is that of one drive in the installation. */
export interface HostDrivesTable {
  name: string;
  host: string;
  path: string;
  kind: string;
  /** When its worker was last heard of; null: it has said that it stops. */
  heard_at: Generated<number | null>;
  /** The same, but also of one that has stopped. */
  last_at: number;
}
