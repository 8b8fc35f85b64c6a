/** What a scan has left out so far, in the order of the walk. */
export interface Tally {
  /** By exclude: entries that it decided about. What lies in a folder that is left out is not looked at. */
  excludes: number[];
  /** Cache folders whose contents `--exclude-caches` left out. */
  caches: number;
  /** By name of `--exclude-if-present`: folders whose contents it left out. */
  present: number[];
  /** Folders that were left out for another reason, for people. */
  leftOut: string[];
  /** Sockets, and the member name of the first; missing: none. */
  sockets?: { count: number; first: string };
}

/** How much of a set's sources is taken, besides its excludes; as the set keeps it. */
export interface TakenOptions {
  /** Nothing of a file system that is mounted below a source. */
  oneFileSystem?: true;
  /** Nothing of a folder that is tagged as a cache, except the tag. */
  excludeCaches?: true;
  /** Nothing of a folder that holds one of these names, except the entry of that name. Texts. */
  excludeIfPresent?: string[];
  /** The list of paths that are taken, besides the sources that are paths. */
  list?: TakenList;
}

/** A list of paths, by `--files-from`. */
export interface TakenList {
  /** Absolute path of the file; it is one of the sources. */
  file: string;
  /** Number of paths. */
  paths: number;
  /** SHA-256 of the paths; without one, every list of that file counts as the same. */
  sha256?: string;
}

/** A tally of nothing. */
export function newTally(excludes: number, options: TakenOptions = {}): Tally {
  const zeros = (count: number) => new Array<number>(count).fill(0);
  return {
    excludes: zeros(excludes),
    caches: 0,
    present: zeros(options.excludeIfPresent?.length ?? 0),
    leftOut: [],
  };
}
