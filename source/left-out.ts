// What a walk leaves out, and how it counts or tells that.
import { describeOwnEntry } from '../disk/own-folders.js';
import { displayName, fromText } from '../entry/byte-string.js';
import { parentNames } from '../entry/member-name.js';
import type { Tally } from '../entry/tally.js';
import type { LeftOutReason } from './taken/left-out-texts.js';
import { isMountPoint, isPseudo } from './folder-on-disk.js';
import { absolute, type WalkedEntry } from './walked-entry.js';
import { isAfter, type Walker } from './walker.js';

/** True for an entry that an exclude takes; counted as what it is. */
export function isExcluded(name: string, { excluded, depth, tally }: Walker): boolean {
  if (excluded === undefined) return false;
  const rule = excluded.decides(name, depth);
  if (rule === undefined) return false;
  tally.excludes[rule] = (tally.excludes[rule] ?? 0) + 1;
  return !excluded.keeps(rule);
}

/** Counts a socket, which no archive can hold. */
export function countSocket(name: string, tally: Tally): void {
  tally.sockets ??= { count: 0, first: name };
  tally.sockets.count += 1;
}

/** The names of a folder, or of one that is marked the mark alone. */
export function unmarked(
  where: Buffer,
  names: string[],
  isNew: boolean,
  { markOf, tally }: Walker,
): string[] {
  const mark = markOf?.(where, names);
  if (mark === undefined) return names;
  const { name, by } = mark;
  if (!isNew) return [name];
  if (by === 'cache') tally.caches += 1;
  else tally.present[by] = (tally.present[by] ?? 0) + 1;
  return [name];
}

/** True for a folder on which another file system is mounted, when a set stays on one; said once. */
export function isOther(folder: WalkedEntry, walker: Walker): boolean {
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
export function isMountedFile(entry: WalkedEntry, walker: Walker): boolean {
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
export function isInOwnFolder(name: string, { own, tally, onLeftOut }: Walker): boolean {
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

/** Why a folder is left out with all that is in it; undefined: it is not. */
export function whyLeftOut(
  { stats }: WalkedEntry,
  where: Buffer,
  { own, ownEntries = {}, pseudo }: Walker,
): LeftOutReason | undefined {
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
