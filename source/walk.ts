import { lstatSync, readdirSync, statfsSync } from 'node:fs';
import { describeError } from '../config/failures.js';
import { describeOwnEntry } from '../disk/own-folders.js';
import { displayName, fromText } from '../entry/byte-string.js';
import { globFilter } from '../entry/globs.js';
import { memberNameOf } from '../entry/member-name.js';
import { absolute, look, type WalkedEntry } from './walked-entry.js';

export interface WalkOptions {
  /** Absolute paths of folders and files, resolved; none inside another. */
  sources: string[];
  /** Gitignore-style globs, anchored at the root of the file system. */
  excludes: string[];
  /** Absolute paths of tapeflow's own folders (data, staging, locks, tapes), which are never walked. */
  ownFolders: string[];
  /** The same by device and inode; see `ownEntries` in disk/own-folders.ts. */
  ownEntries?: Record<string, string>;
  /** Only entries after this member name are returned. */
  after: string | undefined;
  /** Called for each own folder and each pseudo file system inside a source. */
  onLeftOut(path: string, why: string): void;
  /** Called before the walk looks at a source, with its place in `sources`. */
  onSource?(source: number): void;
}

/**
 * File systems without user files: magic numbers from Linux's `linux/magic.h` (proc, sysfs, cgroup, cgroup2, devpts,
 * debugfs, tracefs, securityfs, bpf, pstore, configfs, mqueue, efivarfs, binfmt_misc).
 */
const pseudoFileSystems = new Set([
  0x9fa0, 0x62656572, 0x27e0eb, 0x63677270, 0x1cd1, 0x64626720, 0x74726163, 0x73636673, 0xcafe4a11,
  0x6165676c, 0x62656570, 0x19800202, 0xde5e81e4, 0x42494e4d,
]);

/**
 * Walks the sources depth first, in bytewise order of the member names (a folder counts as `name/`). So a resumed scan
 * needs only the last recorded name. An unreadable entry is returned as skipped.
 */
export function* walk(options: WalkOptions): Generator<WalkedEntry> {
  const excluded = globFilter(options.excludes);
  const own = new Set(options.ownFolders);
  const sources = options.sources.map((source) => memberNameOf(fromText(source), process.platform));
  const places = new Map(sources.map((source, place) => [source, place]));
  const walker: Walker = { ...options, excluded, own, places, pseudo: new Map() };
  yield* ordered(sources.sort(), '', walker);
}

interface Walker extends WalkOptions {
  excluded: (name: string) => boolean;
  own: Set<string>;
  /** By member name: the place of a source among those that were given. */
  places: Map<string, number>;
  /** By device: whether it is a pseudo file system. */
  pseudo: Map<number | bigint, boolean>;
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
    } else if (!walker.excluded(entry.name) && isAfter(entry.name, after)) {
      yield entry;
    }
  }
  for (const folder of folders.reverse()) {
    if (prefix === '') comeTo(folder.name.slice(0, -1), walker);
    yield* inFolder(folder, walker);
  }
}

/** Tells that the walk comes to an entry, if that is a source. */
function comeTo(name: string, { places, onSource }: Walker): void {
  const place = places.get(name);
  if (place !== undefined) onSource?.(place);
}

function isAfter(name: string, after: string | undefined): boolean {
  return after === undefined || name > after;
}

function* inFolder(folder: WalkedEntry, walker: Walker): Generator<WalkedEntry> {
  const { name } = folder;
  const { after } = walker;
  const isRoot = name === '/';
  if (!isRoot && !isAfter(name, after) && after?.startsWith(name) !== true) return;
  if (!isRoot && walker.excluded(name)) return;
  const where = absolute(name);
  const leftOut = whyLeftOut(folder, where, walker);
  if (leftOut !== undefined) {
    walker.onLeftOut(displayName(where.toString('latin1')), leftOut);
    return;
  }
  const names = namesIn(where);
  if (typeof names === 'string') {
    if (isAfter(name, after)) yield { ...folder, skipped: names };
    return;
  }
  // The root itself has no member name.
  if (!isRoot && isAfter(name, after)) yield folder;
  yield* ordered(names, isRoot ? '' : name, walker);
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

/**
 * The names in a folder, or why it is skipped. Listing would follow a symbolic link that replaced the folder meanwhile,
 * so the entry is checked again afterwards.
 *
 * The folder is listed at once, so that the listing is consistent. `opendirSync` does not help: where a file system
 * does not report types (NFS, some FUSE ones) it calls `stat` on every entry, and fails for the whole folder when one
 * is gone.
 */
function namesIn(where: Buffer): string[] | string {
  const itself = where.length > 1 ? where.subarray(0, -1) : where;
  try {
    // As byte strings they sort by their bytes.
    const names = readdirSync(where, 'latin1').sort();
    if (process.platform !== 'win32' && !lstatSync(itself).isDirectory())
      return 'became a symbolic link while it was listed; its contents are not in the backup';
    return names;
  } catch (error) {
    return `cannot be listed, so its contents are not in the backup: ${describeError(error)}`;
  }
}

function isPseudo(where: Buffer): boolean {
  if (process.platform !== 'linux') return false;
  try {
    return pseudoFileSystems.has(statfsSync(where).type);
  } catch {
    return false;
  }
}
