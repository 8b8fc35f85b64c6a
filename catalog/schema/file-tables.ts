import type { ColumnType, Generated, Selectable } from 'kysely';

/** `unchanged`: an earlier set's archive holds the content (`held_set`, `held_group`). */
export type FileState = 'planned' | 'packed' | 'skipped' | 'unchanged';

/** As in `entries`. `gone`: the set that this one lies on has it, and this one has not. */
export type StoredState = FileState | 'gone';

/** `fifo`: a named pipe. `other`: it makes no member, such as what could not be looked at. */
export type EntryType = 'file' | 'directory' | 'symlink' | 'fifo' | 'character' | 'block' | 'other';

/** What the catalog knows of an entry of a set. */
export interface FileColumns {
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
  /** Byte of the uncompressed archive where the member's header begins. */
  tar_offset: number | null;
  /**
   * Of a file with holes: bytes of its content in the archive, and before it is packed, those that the scan expects.
   * Null: `size`.
   */
  stored_size: number | null;
  /**
   * For an unchanged file: the set and group whose archive holds it, at `tar_offset`, never one where it is itself
   * unchanged. Null: the row's own.
   */
  held_set: string | null;
  held_group: number | null;
  /** Extended attributes and ACLs as JSON (`Attributes`); null for none. */
  attributes: string | null;
}

type ReadOnly<Columns> = { [Name in keyof Columns]: ColumnType<Columns[Name], never, never> };

/**
 * A view of all that a set has, in words, for reading; what is written goes to `entries`. Of an unchanged entry it
 * shows the row of an earlier set as that of this one. For a few paths: whoever reads many in their order takes
 * `treeRows`.
 */
export type FilesTable = ReadOnly<FileColumns>;

/** A view of `entries` in the same words, of each row as it is. */
export type LayerFilesTable = ReadOnly<
  Omit<FileColumns, 'set_id' | 'state'> & { layer: number; state: StoredState }
>;

/** Small numbers for the sets whose entries are known, and for those that hold some. */
export interface LayersTable {
  no: number;
  set_id: string;
}

/**
 * The layers of each set's tree: its own (`depth` 0) and, below it, that of the set that it was compared with, and so
 * on. Of several rows of a path the uppermost counts.
 */
export interface ChainsTable {
  layer: number;
  part: number;
  depth: number;
  /**
   * 1 for the part of a set that was read from tapes and lists only what is other than in its base: what is below it
   * counts only under the names of its groups with `on_base`.
   */
  gated: Generated<number>;
  /**
   * Of an earlier full set below a folded one: the layer of that one, whose `offsets` say which of the rows of `part`
   * count, and where that set's archives have them. It is the last part of a chain. Null: the rows are as they say.
   */
  through: Generated<number | null>;
}

/**
 * What is left of the rows of a folded set that say the same as those of an earlier full set, its root; see
 * catalog/schema/places.ts.
 */
export interface OffsetsTable {
  /** The folded set's. */
  layer: number;
  /** The first of up to some hundred consecutive paths of the root. */
  first: Uint8Array;
  /** A place for each of them. */
  places: Uint8Array;
}

/**
 * What each set knows of its entries that no layer below it says, in the order of their paths. What a row costs is in
 * docs/architecture.md.
 */
export interface EntriesTable {
  layer: number;
  path: Uint8Array;
  /** A place in `entryTypes` and in `fileStates`; the most frequent are 0 and 1, which take no byte. */
  type: number;
  state: number;
  group_no: number;
  size: number;
  mtime_s: number;
  mtime_ns: number;
  /** Both null: the same as mtime, as of a file that was written and not touched again. */
  ctime_s: number | null;
  ctime_ns: number | null;
  mode: number;
  uid: number;
  gid: number;
  /** Unsigned 64-bit numbers as signed ones. */
  dev: number | bigint;
  ino: number | bigint;
  nlink: number;
  /** 32 bytes. */
  sha256: Uint8Array | null;
  tar_offset: number | null;
  reason: string | null;
  link_target: Uint8Array | null;
  hard_link_of: Uint8Array | null;
  held_layer: number | null;
  held_group: number | null;
  stored_size: number | null;
  attributes: string | null;
}

export type EntryRow = Selectable<EntriesTable>;

/** Base names of up to some thousands of consecutive entries of a group; see catalog/files/names.ts. */
export interface NamesTable {
  layer: number;
  group_no: number;
  /** Path of the first of these entries, and of the last. */
  first: Uint8Array;
  last: Uint8Array;
  /** Each followed by a NUL, in the order of the paths; a folder's ends in `/`. */
  names: Uint8Array;
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
