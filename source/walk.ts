import { displayName } from '../entry/byte-string.js';
import { FolderLooks } from './folder-looks.js';
import { namesIn } from './folder-on-disk.js';
import {
  countSocket,
  isExcluded,
  isInOwnFolder,
  isMountedFile,
  isOther,
  unmarked,
  whyLeftOut,
} from './left-out.js';
import { absolute, isSocket, type WalkedEntry } from './walked-entry.js';
import { isAfter, newWalker, type Walker, type WalkOptions } from './walker.js';

/**
 * Walks the sources depth first, in bytewise order of the member names (a folder counts as `name/`). So a resumed scan
 * needs only the last recorded name. An unreadable entry is returned as skipped.
 */
export function* walk(options: WalkOptions): Generator<WalkedEntry> {
  const walker = newWalker(options);
  const listed = (options.listed ?? []).filter((name) => !isInOwnFolder(name, walker));
  yield* ordered([...walker.places.keys(), ...listed].sort(), '', walker);
}

/**
 * Yields the entries `prefix + name` in member name order. Plain names come in bytewise order, but a folder `a` counts
 * as `a/`, after its siblings `a b` and `a-b`: it waits on a stack until the next name is past it.
 */
function* ordered(names: readonly string[], prefix: string, walker: Walker): Generator<WalkedEntry> {
  const folders: WalkedEntry[] = [];
  const looks = new FolderLooks(prefix, names);
  let previous: string | undefined;
  for (const [place, name] of names.entries()) {
    // A folder that changes while it is listed may return a name twice.
    if (name === previous) continue;
    previous = name;
    const full = prefix + name;
    for (let folder = folders.at(-1); folder !== undefined && folder.name < full; folder = folders.at(-1)) {
      folders.pop();
      if (prefix === '') comeTo(folder.name.slice(0, -1), walker);
      yield* inFolder(folder, walker);
      looks.forget();
    }
    const { after } = walker;
    // Before the cursor, and not a folder that could contain entries after it.
    const isDone =
      full === after || (after !== undefined && `${full}/` <= after && !after.startsWith(`${full}/`));
    if (isDone && full !== '') continue;
    if (prefix === '') comeTo(full, walker);
    const entry = looks.at(place);
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
