import type { Generated } from 'kysely';

/** `unchanged`: an earlier set's archive holds the content (`held_set`, `held_group`). */
export type FileState = 'planned' | 'packed' | 'skipped' | 'unchanged';

/** `fifo`: a named pipe. `other`: it makes no member, such as what could not be looked at. */
export type EntryType = 'file' | 'directory' | 'symlink' | 'fifo' | 'character' | 'block' | 'other';

export interface FilesTable {
  set_id: string;
  /** The member's name in the archive: the full path without its leading `/`, as bytes; folders end in `/`. */
  path: Uint8Array;
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
  /**
   * Target of a symbolic link; for a packed file, the member of the same archive that it is a hard link to; for a
   * device its numbers, `MAJOR:MINOR`.
   */
  link_target: Uint8Array | null;
  /** First path of this set with the same inode, when that is in another group. */
  hard_link_of: Uint8Array | null;
  state: FileState;
  reason: string | null;
  sha256: string | null;
  /** Extended attributes and ACLs as JSON (`Attributes`); null for none. */
  attributes: Generated<string | null>;
  /** Byte of the uncompressed archive where the member's header begins. */
  tar_offset: number | null;
  /**
   * Of a file with holes: bytes of its content in the archive, and before it is packed, those that the scan expects.
   * Null: `size`.
   */
  stored_size: Generated<number | null>;
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
  name: Uint8Array;
  path: Uint8Array;
}

/** Lists of names that restores were asked for, each complete when it has its final key. */
export interface NameListsTable {
  /** SHA-256 of the names in hex; while they are read, a key of the command that reads them. */
  list: string;
  created_at: number;
}

/** The names in a list: member names without a trailing `/`. */
export interface ListedNamesTable {
  list: string;
  path: Uint8Array;
}
