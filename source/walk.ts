import { describeOwnEntry } from '../disk/own-folders.js';
import { displayName, fromText } from '../entry/byte-string.js';
import { Excludes, type ExcludeRule } from '../entry/excludes.js';
import { memberNameOf, parentNames } from '../entry/member-name.js';
import { newTally, type Tally, type TakenOptions } from '../entry/tally.js';
import { markFinder } from './taken/folder-marks.js';
import { absolute, isSocket, look, type WalkedEntry } from './walked-entry.js';
import { isMountPoint, isPseudo, namesIn } from './folder-on-disk.js';

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
  onLeftOut(path: string, why: string): void;
  /** Called before the walk looks at a source, with its place in `sources`, or at what is listed, with their number. */
  onSource?(source: number): void;
}

/**
 * Walks the sources depth first, in bytewise order of the member names (a folder counts as `name/`). So a resumed scan
 * needs only the last recorded name. An unreadable entry is returned as skipped.
 */
export function* walk(options: WalkOptions): Generator<WalkedEntry> {
  const { excludes, options: asked = {}, tally = newTally(excludes.length, asked) } = options;
  const sources = options.sources.map((source) => memberNameOf(fromText(source), process.platform));
  const walker: Walker = {
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
  const listed = (options.listed ?? []).filter((name) => !isInOwnFolder(name, walker));
  yield* ordered([...sources, ...listed].sort(), '', walker);
}

interface Walker extends WalkOptions {
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

/**
 * Yields the entries `prefix + name` in member name order. Plain names come in bytewise order, but a folder `a` counts
 * as `a/`, after its siblings `a b` and `a-b`: it waits on a stack until the next name is past it.
 */
function* ordered(names: readonly string[], prefix: string, walker: Walker): Generator<WalkedEntry> {
  const folders: WalkedEntry[] = [];
  let previous: string | undefined;
  for (const name of names) {
    // A folder that changes while it is listed may return a name twice.
    if (name === previous) continue;
    previous = name;
    const full = prefix + name;
    for (let folder = folders.at(-1); folder !== undefined && folder.name < full; folder = folders.at(-1)) {
      folders.pop();
      if (prefix === '') comeTo(folder.name.slice(0, -1), walker);
      yield* inFolder(folder, walker);
    }
    const { after } = walker;
    // Before the cursor, and not a folder that could contain entries after it.
    const isDone =
      full === after || (after !== undefined && `${full}/` <= after && !after.startsWith(`${full}/`));
    if (isDone && full !== '') continue;
    if (prefix === '') comeTo(full, walker);
    const entry = look(full);
    if (entry.type === 'directory') {
      folders.push(entry);
    } else if (isAfter(entry.name, after) && !isExcluded(entry.name, walker)) {
      if (isSocket(entry)) countSocket(entry.name, walker.tally);
      else if (!isMountedFile(entry, walker)) {
        if (walker.waiting.length > 0) yield* walker.waiting.splice(0);
        yield entry;
      }
    }
  }
  for (const folder of folders.reverse()) {
    if (prefix === '') comeTo(folder.name.slice(0, -1), walker);
    yield* inFolder(folder, walker);
  }
}

/** Notes that the walk comes to an entry, if that is a source. */
function comeTo(name: string, walker: Walker): void {
  const place = walker.places.get(name);
  if (place === undefined && !walker.listedRoots.has(name)) return;
  walker.depth = name === '' ? 0 : name.split('/').length;
  walker.device = undefined;
  walker.onSource?.(place ?? walker.places.size);
}

/** True for an entry that an exclude takes; counted as what it is. */
function isExcluded(name: string, { excluded, depth, tally }: Walker): boolean {
  if (excluded === undefined) return false;
  const rule = excluded.decides(name, depth);
  if (rule === undefined) return false;
  tally.excludes[rule] = (tally.excludes[rule] ?? 0) + 1;
  return !excluded.keeps(rule);
}

function countSocket(name: string, tally: Tally): void {
  tally.sockets ??= { count: 0, first: name };
  tally.sockets.count += 1;
}

function isAfter(name: string, after: string | undefined): boolean {
  return after === undefined || name > after;
}

function* inFolder(folder: WalkedEntry, walker: Walker): Generator<WalkedEntry> {
  const { name } = folder;
  const { after, excluded, tally, waiting } = walker;
  const isRoot = name === '/';
  const isNew = !isRoot && isAfter(name, after);
  if (!isRoot && !isNew && after?.startsWith(name) !== true) return;
  const rule = isRoot ? undefined : excluded?.decides(name, walker.depth);
  const takenBy = rule === undefined || excluded?.keeps(rule) === true ? undefined : rule;
  const count = () => {
    if (isNew && rule !== undefined) tally.excludes[rule] = (tally.excludes[rule] ?? 0) + 1;
  };
  if (takenBy === undefined) {
    count();
  } else if (excluded?.mayKeepIn(name, takenBy) !== true) {
    count();
    return;
  }
  const where = absolute(name);
  const leftOut = whyLeftOut(folder, where, walker);
  if (leftOut !== undefined) {
    walker.onLeftOut(displayName(where.toString('latin1')), leftOut);
    return;
  }
  const inside = isOther(folder, walker) ? [] : namesIn(where);
  const isListed = typeof inside !== 'string';
  // The root itself has no member name.
  if (isNew) {
    if (takenBy !== undefined && isListed) waiting.push(folder);
    else {
      if (waiting.length > 0) yield* waiting.splice(0);
      if (!isListed) yield { ...folder, skipped: inside };
    }
  }
  if (!isListed) return;
  const taken = walker.markOf === undefined ? inside : unmarked(where, inside, isNew, walker);
  if (isNew && takenBy === undefined) yield folder;
  yield* ordered(taken, isRoot ? '' : name, walker);
  // Nothing in it is kept.
  if (takenBy !== undefined && waiting.at(-1) === folder) {
    waiting.pop();
    count();
  }
}

/** The names of a folder, or of one that is marked the mark alone. */
function unmarked(where: Buffer, names: string[], isNew: boolean, { markOf, tally }: Walker): string[] {
  const mark = markOf?.(where, names);
  if (mark === undefined) return names;
  const { name, by } = mark;
  if (!isNew) return [name];
  if (by === 'cache') tally.caches += 1;
  else tally.present[by] = (tally.present[by] ?? 0) + 1;
  return [name];
}

/** True for a folder on which another file system is mounted, when a set stays on one; said once. */
function isOther(folder: WalkedEntry, walker: Walker): boolean {
  const device = folder.stats?.dev;
  walker.device ??= device;
  if (!walker.isOneFileSystem || device === walker.device) return false;
  if (isAfter(folder.name, walker.after)) tellOther(folder, walker);
  return true;
}

/**
 * True for a file of another file system that is mounted on one, when a set stays on one; said once. The device alone
 * does not tell: that of a file on an overlay can be the one of its layer.
 */
function isMountedFile(entry: WalkedEntry, walker: Walker): boolean {
  const { isOneFileSystem, device } = walker;
  if (!isOneFileSystem || device === undefined || entry.stats === undefined) return false;
  if (entry.stats.dev === device || !isMountPoint(absolute(entry.name))) return false;
  tellOther(entry, walker);
  return true;
}

function tellOther({ name }: WalkedEntry, { onLeftOut }: Walker): void {
  onLeftOut(displayName(absolute(name).toString('latin1')), 'is another file system');
}

/** True for a listed entry in one of tapeflow's own folders; said once for each of those. */
function isInOwnFolder(name: string, { own, tally, onLeftOut }: Walker): boolean {
  if (own.size === 0) return false;
  for (const above of parentNames(name)) {
    const folder = absolute(above).toString('utf8');
    if (!own.has(folder)) continue;
    const shown = displayName(fromText(`${folder}/`));
    if (!tally.leftOut.some((said) => said.startsWith(`${shown} `))) onLeftOut(shown, 'belongs to tapeflow');
    return true;
  }
  return false;
}

function whyLeftOut(
  { stats }: WalkedEntry,
  where: Buffer,
  { own, ownEntries = {}, pseudo }: Walker,
): string | undefined {
  if (own.size > 0) {
    const text = where.toString('utf8');
    if (own.has(text === '/' ? text : text.replace(/[/\\]$/, ''))) return 'belongs to tapeflow';
  }
  // Reached through a bind mount.
  if (stats !== undefined && describeOwnEntry(ownEntries, stats) !== undefined) return 'belongs to tapeflow';
  // The type of a file system is checked once per device.
  const dev = stats?.dev ?? 0;
  let is = pseudo.get(dev);
  if (is === undefined) pseudo.set(dev, (is = isPseudo(where)));
  return is ? 'is a pseudo file system' : undefined;
}
