import { constants } from 'node:fs';
import { toBytes } from '../entry/byte-string.js';
import type { EntryStats } from '../entry/entry-stats.js';
import { loadAddon } from '../native/addon.js';
import { absolute, entryOf, longName, look, type WalkedEntry } from './walked-entry.js';

/** Numbers for each entry; see `native/src/look_into.rs`. */
const fields = 12;
/** Entries that are looked at in one call, at most: where each takes long, as on a network, a scan must still stop. */
const mostAtOnce = 64;

/**
 * Looks at the entries of one folder, in their order. The native part looks at several that follow, since that takes a
 * third of the time: at twice as many each time, until what has been seen may be old.
 */
export class FolderLooks {
  private readonly ask = loadAddon()?.lookInto;
  private readonly folder: Buffer;
  private from = 0;
  private to = 0;
  private seen: Float64Array | null = null;
  private atOnce = 1;

  /**
   * @param prefix the member name of the folder; empty for what lies in the root, or anywhere.
   * @param names of its entries, in the order in which they are asked for; some may be passed over.
   */
  constructor(
    private readonly prefix: string,
    private readonly names: readonly string[],
  ) {
    this.folder = absolute(prefix.slice(0, -1));
    if (prefix === '' || prefix.length >= longName) this.ask = undefined;
  }

  /** The entry whose name has that place. */
  at(place: number): WalkedEntry {
    const { prefix, names, ask } = this;
    const full = prefix + (names[place] ?? '');
    if (ask === undefined) return look(full);
    if (place >= this.to) {
      this.from = place;
      this.to = Math.min(place + this.atOnce, names.length);
      this.atOnce = Math.min(2 * this.atOnce, mostAtOnce);
      this.seen = ask(this.folder, toBytes(`${names.slice(place, this.to).join('/')}/`));
    }
    return (this.seen === null ? undefined : seenEntry(full, this.seen, place - this.from)) ?? look(full);
  }

  /** Forgets what was seen, and is old by the time that it is asked for. */
  forget(): void {
    this.to = 0;
    this.atOnce = 1;
  }
}

/** What was seen of an entry; undefined where only another look tells what it is. */
function seenEntry(full: string, seen: Float64Array, place: number): WalkedEntry | undefined {
  const number = (field: number) => seen[place * fields + field] ?? 0;
  const mode = number(0);
  const kind = mode & constants.S_IFMT;
  const size = number(1);
  // Perhaps with holes.
  if (kind === constants.S_IFREG && number(2) * 512 < size) return undefined;
  if (kind !== constants.S_IFREG && kind !== constants.S_IFDIR && kind !== constants.S_IFLNK)
    return undefined;
  const stats: EntryStats = {
    size,
    mtimeS: number(3),
    mtimeNs: number(4),
    ctimeS: number(5),
    ctimeNs: number(6),
    mode,
    uid: number(7),
    gid: number(8),
    nlink: number(9),
    dev: number(10),
    ino: number(11),
  };
  return entryOf(full, stats, 0n);
}
