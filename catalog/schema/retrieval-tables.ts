import type { Generated } from 'kysely';

/** A restore, a verify or a copy to other tapes: archives that are read back from tape. */
export type RetrievalKind = 'restore' | 'verify' | 'copy';

/** The last four are final. `incomplete`: ended, but something was unavailable or damaged. */
export type RetrievalState =
  'running' | 'waiting_for_tape' | 'completed' | 'incomplete' | 'failed' | 'cancelled';

export const finalRetrievalStates: readonly RetrievalState[] = [
  'completed',
  'incomplete',
  'failed',
  'cancelled',
];

export interface RetrievalsTable {
  id: string;
  kind: RetrievalKind;
  /** The requested set or tape, by name. */
  subject: string;
  /** The drive that reads, or the first of those that may. */
  drive: string;
  /** 1: any drive of the installation may read, whichever has the tape. */
  any_drive: Generated<number>;
  /**
   * JSON of what the search for a tape in several drives has found (`catalog/retrievals/tape-search.ts`); null before
   * the first.
   */
  looks: Generated<string | null>;
  /** The drive that writes a copy; null for restores and verifies. */
  to_drive: string | null;
  /** Absolute path of the folder that is restored into; null for a verify. */
  target: string | null;
  /** The host that has the target; null: that of the drive, in an installation of one host. */
  target_host: Generated<string | null>;
  /** The target as another host was asked for it, which may find another name for it; null: as `target`. */
  target_asked: Generated<string | null>;
  /** 1: the host of the target is not to look for room before. */
  unchecked: Generated<number>;
  overwrite: string;
  /** JSON of the selection (see entry/selection.ts). */
  selection: string;
  /** 1: nothing existed at the places of the set's sources below the target when the restore was requested. */
  fresh: Generated<number>;
  state: RetrievalState;
  reason: string | null;
  created_at: number;
  finished_at: number | null;
  /** How often workers have resumed it since the last archive was read, and when last. */
  taken_up: Generated<number>;
  taken_up_at: Generated<number | null>;
  /**
   * The look at the target that counts (`RetrievalExistingTable`); null before the first archive is read, '' when none
   * is needed.
   */
  looked: Generated<string | null>;
  /** 1: what can be read of a damaged file is wanted too, with zeros for the rest. */
  salvage: Generated<number>;
  /** JSON pairs of names: the first is not restored, since the second takes its place in the target. */
  refused: Generated<string | null>;
  /** Path of the file with identities, on the host that restores; null: that of `AGE_IDENTITY_FILE` there. */
  identity_file: Generated<string | null>;
  /** JSON of whose the restored entries become (see entry/owner-choice.ts); null: whose they were. */
  owners: Generated<string | null>;
  /** JSON of how many folders lack what at the end (`UnsetCounts`). */
  unset: Generated<string>;
}

/** The archives of a retrieval, in the order of reading. */
export interface RetrievalArchivesTable {
  retrieval_id: string;
  no: number;
  set_id: string;
  group_no: number;
  copy_no: number;
  tape_uuid: string;
  state: 'pending' | 'done' | 'failed';
  /** Members and bytes of content wanted from it. */
  members: number;
  bytes: number;
  restored: number;
  same: number;
  kept: number;
  failed: number;
  ms: number | null;
  /** For a copy: its number, the pool whose tapes it goes to, and the bytes of staging that it holds. */
  to_copy: number | null;
  to_pool: string | null;
  reserved: Generated<number>;
  /** For a restore to another host: SHA-256 of what its archive was when it was read into staging; null: it was not. */
  staged: Generated<string | null>;
  /** JSON array of the damaged copies that were read before this one. */
  tried: Generated<string>;
  /** 1: only the members that those copies could not return are wanted. */
  only_damaged: Generated<number>;
  /** JSON of how many entries lack what besides their content (`UnsetCounts`). */
  unset: Generated<string>;
}

export interface RetrievalProblemsTable {
  id: Generated<number>;
  retrieval_id: string;
  /** Number of the archive; null when the problem belongs to none. */
  no: number | null;
  path: Uint8Array | null;
  reason: string;
  /** 1: this copy is damaged there, and another copy may have the member. */
  damaged: Generated<number>;
  /** 1: it was restored all the same, with zeros for what is missing. */
  salvaged: Generated<number>;
}

/** Folders and hard-linked files that existed in a restore's target before it began. */
export interface RetrievalExistingTable {
  retrieval_id: string;
  /** Token of the attempt that looked. */
  look: string;
  path: Uint8Array;
  ino: string;
}
