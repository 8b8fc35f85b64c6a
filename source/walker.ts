import { fromText } from '../entry/byte-string.js';
import { Excludes, type ExcludeRule } from '../entry/excludes.js';
import { memberNameOf } from '../entry/member-name.js';
import { newTally, type Tally, type TakenOptions } from '../entry/tally.js';
import { markFinder } from './taken/folder-marks.js';
import type { WalkedEntry } from './walked-entry.js';
import type { LeftOutReason } from './taken/left-out-texts.js';

export interface WalkOptions {
  /** Absolute paths of folders and files, resolved; none inside another. */
  sources: string[];
  excludes: readonly ExcludeRule[];
  /** What else is left out. */
  options?: TakenOptions;
  /** Member names of further entries that are taken, byte strings; none is or lies in another one, or in a source. */
  listed?: readonly string[];
  /** Counts what is left out by excludes and marks, and sockets, which are not returned. */
  tally?: Tally;
  /** Absolute paths of tapeflow's own folders (data, staging, locks, tapes), which are never walked. */
  ownFolders: string[];
  /** The same by device and inode; see `ownEntries` in disk/own-folders.ts. */
  ownEntries?: Record<string, string>;
  /** Only entries after this member name are returned. */
  after: string | undefined;
  /** Called for each own folder, pseudo file system and other file system inside a source. */
  onLeftOut(path: string, why: LeftOutReason): void;
  /** Called before the walk looks at a source, with its place in `sources`, or at what is listed, with their number. */
  onSource?(source: number): void;
}

/** What a walk knows while it goes. */
export interface Walker extends WalkOptions {
  tally: Tally;
  /** Undefined: nothing is excluded. */
  excluded: Excludes | undefined;
  markOf: ReturnType<typeof markFinder>;
  own: Set<string>;
  /** By member name: the place of a source among those that were given. */
  places: Map<string, number>;
  listedRoots: Set<string>;
  isOneFileSystem: boolean;
  /** By device: whether it is a pseudo file system. */
  pseudo: Map<number | bigint, boolean>;
  /** Folders that are excluded, but in which something may be kept: they are, if something is. */
  waiting: WalkedEntry[];
  /** Of the source: the number of its names, and its device once it is known. */
  depth: number;
  device: number | bigint | undefined;
}

/** The state of a walk that begins. */
export function newWalker(options: WalkOptions): Walker {
  const { excludes, options: asked = {}, tally = newTally(excludes.length, asked) } = options;
  const sources = options.sources.map((source) => memberNameOf(fromText(source), process.platform));
  return {
    ...options,
    tally,
    excluded: excludes.length > 0 ? new Excludes(excludes) : undefined,
    markOf: markFinder(asked),
    own: new Set(options.ownFolders),
    places: new Map(sources.map((source, place) => [source, place])),
    listedRoots: new Set(options.listed),
    isOneFileSystem: asked.oneFileSystem === true,
    pseudo: new Map(),
    waiting: [],
    depth: 0,
    device: undefined,
  };
}

/** Whether an entry is after the last one that an earlier walk returned. */
export function isAfter(name: string, after: string | undefined): boolean {
  return after === undefined || name > after;
}
