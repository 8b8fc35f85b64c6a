import type { Generated } from 'kysely';

/**
 * States of a file group, in the order of the flow. `open`: the scan still adds to it. `queued`: its archive is
 * complete in `final/` and waits for the drive. `skipped`: it makes no archive, because all its entries are skipped.
 */
export type GroupState =
  | 'open'
  | 'planned'
  | 'compressing'
  | 'compressed'
  | 'promoted'
  | 'queued'
  | 'writing'
  | 'written'
  | 'committed'
  | 'released'
  | 'failed'
  | 'skipped';

export interface GroupsTable {
  set_id: string;
  no: number;
  state: GroupState;
  /** Bytes of file content that is stored; a second hard link in the group counts 0. */
  bytes: number;
  /** Number of entries: files, folders, links, and skipped ones. */
  entries: number;
  /** How many of them are unchanged and not stored again. */
  unchanged: Generated<number>;
  first_path: Uint8Array;
  last_path: Uint8Array;
  direct: number;
  /** Token of the attempt that may publish this group's archive; any other must stop. */
  token: string | null;
  /** Bytes of staging that this group holds or has reserved. */
  reserved: number;
  reason: string | null;
  /**
   * For a group skipped because of its size: bytes that a tape needs for its archive; kept when the group is retried.
   */
  needs: Generated<number | null>;
  /** Of a set read from tapes: 1 when a manifest says what is other than in the base, so that the rest is as there. */
  on_base: Generated<number>;
}

export interface ArchivesTable {
  set_id: string;
  group_no: number;
  name: string;
  size: number;
  sha256: string;
  manifest_name: string;
  manifest_size: number;
  manifest_sha256: string;
  /** Token of the attempt that made it; its `.part` file is named after it. */
  token: string;
  /** Bytes of file content inside. */
  bytes_in: number;
  /** Members inside, skipped entries not counted. */
  members: number;
  created_at: number;
  /** Uncompressed bytes of each block but the last; null when the index is not known. */
  block_bytes: number | null;
  /** Compressed bytes of each block, as 32-bit little-endian numbers: the index of the archive. */
  blocks: Uint8Array | null;
  /** Of an encrypted archive: what its file begins with, header of age and nonce, in base64. */
  age_header: Generated<string | null>;
}

export interface EventsTable {
  id: Generated<number>;
  set_id: string;
  group_no: number | null;
  stage: string;
  /** Milliseconds since 1970. */
  at: number;
  ms: number | null;
  bytes: number | null;
  detail: string | null;
}
