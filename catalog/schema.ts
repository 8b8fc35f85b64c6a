import type { ColumnType, Generated } from 'kysely';

/**
 * States of a backup set; the last five are final. `expired`: nothing of it is on tape any more, because its tapes were
 * erased.
 */
export type SetState =
  | 'scanning'
  | 'running'
  | 'waiting_for_tape'
  | 'paused'
  | 'completed'
  | 'completed_with_skips'
  | 'failed'
  | 'cancelled'
  | 'expired';

export const finalSetStates: readonly SetState[] = [
  'completed',
  'completed_with_skips',
  'failed',
  'cancelled',
  'expired',
];

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

/**
 * `writing` and `written` copies may be lost if the tape's mount crashes; `committed` ones are synced and checked. A
 * `lost` copy with a `committed_at` was committed on a tape that is lost. `erased`: deleted, or being deleted, with
 * everything on its tape.
 */
export type CopyState = 'writing' | 'written' | 'committed' | 'lost' | 'erased';

/**
 * `suspect`: a write failed on it; nothing more is written until someone trusts it again. `foreign`: labelled by
 * another installation; it is read but never written to. `lost`: someone has marked it as gone; its copies are `lost`
 * too. `erasing`: what it holds no longer counts, and its new label is not written yet. Changed by `transitionTape`
 * alone. Whether a tape is ours to write to is decided by its label, never by this state.
 */
export type TapeState = 'usable' | 'full' | 'suspect' | 'foreign' | 'lost' | 'erasing';

/** `unchanged`: an earlier set's archive holds the content (`held_set`, `held_group`). */
export type FileState = 'planned' | 'packed' | 'skipped' | 'unchanged';
export type EntryType = 'file' | 'directory' | 'symlink' | 'other';

/** Numbers are 64-bit integers in the database and safe integers here. */
type Bytes = ColumnType<Uint8Array, Uint8Array, Uint8Array>;

export interface MetaTable {
  key: string;
  value: string;
}

export interface SetsTable {
  id: string;
  uuid: string;
  state: SetState;
  /** JSON array of absolute source paths, in bytewise order. */
  sources: string;
  /** JSON array of gitignore-style globs. */
  excludes: string;
  pool: string;
  drive: string;
  /** `full`, `incremental` (changes since the newest set) or `differential` (changes since the newest full set). */
  mode: string;
  /** The requested mode: a set without a base becomes a full one. Null for sets of versions that did not record it. */
  asked_mode: Generated<string | null>;
  /** The schedule run that made it. */
  made_by: Generated<string | null>;
  /** The set that this one was compared with; null for a full one. A restore of this set needs its archives. */
  base_id: string | null;
  /** 1: compressed directly to tape. */
  direct: number;
  /** JSON array of the pool and drive of each copy, if the set has several; see `placesOf`. */
  places: string | null;
  /** JSON of the settings that this set runs with, as of its start; see `isRebuilt` for sets that never run. */
  options: string;
  /** 1 when every source was walked to its end. */
  scanned: number;
  /** JSON array of the folders that the scan left out: data folder, staging, tape folders. */
  left_out: string;
  reason: string | null;
  created_at: number;
  finished_at: number | null;
  /** When the last copy of an archive that it needs was erased: it is incomplete, and nothing builds on it. */
  erased_at: Generated<number | null>;
  /** Id of the last workflow started for it; null: none yet. */
  workflow_id: Generated<string | null>;
  /**
   * For a set read from tapes: 1 when its manifests say that it writes an end mark, and that mark's `SetEnd` as JSON.
   */
  end_marked: Generated<number>;
  end_facts: Generated<string | null>;
  /** Times that it was taken up by itself since its last copy was committed, the last time, and 1 when no more. */
  taken_up: Generated<number>;
  taken_up_at: Generated<number | null>;
  left_alone: Generated<number>;
}

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
  first_path: Bytes;
  last_path: Bytes;
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
  blocks: Bytes | null;
}

export interface TapesTable {
  uuid: string;
  name: string;
  pool: string;
  /** `user.ltfs.volumeUUID` of an LTFS tape; null for a folder. */
  volume: string | null;
  state: TapeState;
  reason: string | null;
  /** JSON of the states that it returns to, see `tapeStatusOf`; null when it is neither lost nor being erased. */
  before: Generated<string | null>;
  capacity: number;
  free: number;
  labelled_at: number;
  seen_at: number;
  /** For a tape in the state `erasing`: the UUID of its new label. */
  erased_to: Generated<string | null>;
  /** 1: LTFS has made the cartridge read-only for good after a medium error; only formatting fixes that. */
  read_only: Generated<number>;
}

export interface CopiesTable {
  set_id: string;
  group_no: number;
  copy_no: number;
  tape_uuid: string;
  state: CopyState;
  /** Token of the attempt that wrote it. */
  token: string;
  written_at: number | null;
  committed_at: number | null;
  /** When it was last read back and compared, and what is wrong with it; null: nothing. */
  verified_at: number | null;
  damage: string | null;
  /**
   * The copy's own manifest, if it is not the one made with the archive; size 0: its tape is known to have none. Null:
   * the archive's.
   */
  manifest_size: Generated<number | null>;
  manifest_sha256: Generated<string | null>;
}

/**
 * Which archives were ever begun on which tape, or found there: what lies under their names on it is ours, also when no
 * row of `copies` points there any more.
 */
export interface BegunCopiesTable {
  set_id: string;
  group_no: number;
  tape_uuid: string;
}

export interface FilesTable {
  set_id: string;
  /** The member's name in the archive: the full path without its leading `/`, as bytes; folders end in `/`. */
  path: Bytes;
  group_no: number;
  type: EntryType;
  size: number;
  mtime_s: number;
  mtime_ns: number;
  ctime_s: number;
  ctime_ns: number;
  mode: number;
  uid: number;
  gid: number;
  dev: string;
  ino: string;
  nlink: number;
  /** Target of a symbolic link; for a packed file, the member of the same archive that it is a hard link to. */
  link_target: Bytes | null;
  /** First path of this set with the same inode, when that is in another group. */
  hard_link_of: Bytes | null;
  state: FileState;
  reason: string | null;
  sha256: string | null;
  /** Byte of the uncompressed archive where the member's header begins. */
  tar_offset: number | null;
  /**
   * For an unchanged file: the set and group whose archive holds it, at `tar_offset`, never one where it is itself
   * unchanged. Null: the row's own.
   */
  held_set: string | null;
  held_group: number | null;
  /** Position in `path` where the base name begins, from 1. */
  name_at: Generated<number>;
}

/** Entries by base name, for groups that are not `open`; see catalog/groups/group-names.ts. */
export interface FileNamesTable {
  set_id: string;
  group_no: number;
  /** A folder's ends in `/`. */
  name: Bytes;
  path: Bytes;
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

/** A restore, a verify or a copy to other tapes: archives that are read back from tape. */
export type RetrievalKind = 'restore' | 'verify' | 'copy';
/** The last four are final. `incomplete`: ended, but something was unavailable or damaged. */
export type RetrievalState =
  'running' | 'waiting_for_tape' | 'completed' | 'incomplete' | 'failed' | 'cancelled';

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
  /** JSON array of the damaged copies that were read before this one. */
  tried: Generated<string>;
  /** 1: only the members that those copies could not return are wanted. */
  only_damaged: Generated<number>;
}

export interface RetrievalProblemsTable {
  id: Generated<number>;
  retrieval_id: string;
  /** Number of the archive; null when the problem belongs to none. */
  no: number | null;
  path: Bytes | null;
  reason: string;
  /** 1: this copy is damaged there, and another copy may have the member. */
  damaged: Generated<number>;
}

/** Folders and hard-linked files that existed in a restore's target before it began. */
export interface RetrievalExistingTable {
  retrieval_id: string;
  /** Token of the attempt that looked. */
  look: string;
  path: Bytes;
  ino: string;
}

/** Sets seen on tapes, whose numbers must never be reused, even after the catalog was lost. */
export interface SeenSetsTable {
  set_id: string;
}

/** End marks that are durably on tapes, with the `SetEnd` of each as JSON. */
export interface EndMarksTable {
  set_id: string;
  tape_uuid: string;
  facts: string;
}

/** Scheduled backups, verifies and copies. Times are milliseconds since 1970. */
export interface SchedulesTable {
  name: string;
  /** Five fields: minute, hour, day, month, weekday. */
  cron: string;
  /** The time zone of those, as `Europe/Berlin`. */
  zone: string;
  /** The command as entered, for people. */
  command: string;
  /** JSON of what it means (`ScheduledBackup` or `ScheduledReading`), with absolute paths. */
  arguments: string;
  /** 1: it does not run automatically. */
  paused: Generated<number>;
  created_at: number;
  /**
   * The last run: when it began; its set, verify or copy; if it made none, when it ended and what went wrong, if
   * anything.
   */
  run_at: Generated<number | null>;
  run_set: Generated<string | null>;
  run_ended_at: Generated<number | null>;
  run_reason: Generated<string | null>;
  /** When the last run that was begun was due. */
  due_at: Generated<number | null>;
  /** When a command requested a run that has not begun yet. */
  run_asked_at: Generated<number | null>;
  /** When the server created it, by the server's clock; null: not registered there. */
  told_at: Generated<number | null>;
}

/** Workflow starts that were used; each counts once. */
export interface ClaimedStartsTable {
  id: string;
  at: number;
  workflow_id: string;
  run_id: string;
}

/** Messages without a valid proof, one row for each kind. */
export interface RefusalsTable {
  kind: string;
  times: number;
  first_at: number;
  last_at: number;
  /** The last one. */
  what: string;
  workflow_id: string;
  run_id: string;
}

export interface Tables {
  meta: MetaTable;
  sets: SetsTable;
  groups: GroupsTable;
  archives: ArchivesTable;
  tapes: TapesTable;
  copies: CopiesTable;
  begun_copies: BegunCopiesTable;
  files: FilesTable;
  file_names: FileNamesTable;
  events: EventsTable;
  seen_sets: SeenSetsTable;
  end_marks: EndMarksTable;
  retrievals: RetrievalsTable;
  retrieval_archives: RetrievalArchivesTable;
  retrieval_problems: RetrievalProblemsTable;
  retrieval_existing: RetrievalExistingTable;
  schedules: SchedulesTable;
  claimed_starts: ClaimedStartsTable;
  refusals: RefusalsTable;
}
