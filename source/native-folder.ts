import { loadAddon } from '../archive/native-addon.js';
import { isDatable } from '../archive/file-time.js';
import type { EntryStats } from './entry-stats.js';

/** The lister of `archive/native/folder.c`, which says what these are. */
interface FolderAddon {
  folderFields: number;
  listFolder(path: Uint8Array): ArrayBuffer | undefined;
  lookAt(path: Uint8Array, names: Uint8Array, from: number): ArrayBuffer | undefined;
}

/** A folder's entries, one after the other in bytewise order of their names; a name may come twice. */
export interface NativeListing {
  /** The next name, a byte string; undefined after the last. */
  next(): string | undefined;
  /** What is known of the entry whose name came last; undefined when it has to be looked at in another way. */
  stats(): EntryStats | undefined;
}

/** Lists a folder by its path; undefined when it has to be listed in another way, which also tells why. */
export type NativeLister = (path: Buffer) => NativeListing | undefined;

/** Bytes of a folder's path up to which no entry's path is too long for any system: longer ones the plain way refuses. */
const mostPath = 700;

let opened: NativeLister | null | undefined;

/** The addon's lister; null where there is none. */
export function openNativeLister(): NativeLister | null {
  return (opened ??= load());
}

/** Numbers before the entries' own, and of each entry, in the order of `stats` below. */
const headNumbers = 2;
const fields = 14;
/** Names of a piece that could not be looked at. */
const namesOfLost = 1000;
const nothing = new Float64Array(headNumbers);

function load(): NativeLister | null {
  const addon = loadAddon() as Partial<FolderAddon> | undefined;
  if (addon?.listFolder === undefined || addon.lookAt === undefined || addon.folderFields !== fields)
    return null;
  const { listFolder, lookAt } = addon;
  return (path) => {
    if (path.length > mostPath) return undefined;
    const listed = listFolder(path);
    return listed === undefined ? undefined : new PackedListing(path, listed, lookAt);
  };
}

/**
 * Names stay packed as they came; the statistics of a large folder come in pieces, shortly before they are asked for. So a
 * folder of a million entries takes the bytes of its names.
 */
class PackedListing implements NativeListing {
  private readonly packed: Buffer;
  /** Where in `packed` the names of the next piece begin. */
  private at = 0;
  private numbers: Float64Array;
  private names: string[];
  private row = -1;

  constructor(
    private readonly path: Buffer,
    listed: ArrayBuffer,
    private readonly lookAt: FolderAddon['lookAt'],
  ) {
    const [entries = 0, bytes = 0] = new Float64Array(listed, 0, headNumbers);
    this.numbers = new Float64Array(listed, 0, headNumbers + entries * fields);
    this.packed = Buffer.from(listed, this.numbers.byteLength);
    this.names = this.take(bytes);
  }

  next(): string | undefined {
    this.row += 1;
    if (this.row === this.names.length && this.at < this.packed.length) this.nextPiece();
    return this.names[this.row];
  }

  private nextPiece(): void {
    const looked = this.lookAt(this.path, this.packed, this.at);
    this.row = 0;
    this.numbers = looked === undefined ? nothing : new Float64Array(looked);
    this.names = this.take(looked === undefined ? this.lostBytes() : (this.numbers[1] ?? 0));
  }

  /** When the folder has gone, its entries are looked at one by one: each of them tells why it cannot be. */
  private lostBytes(): number {
    let end = this.at;
    for (let i = 0; i < namesOfLost && end < this.packed.length; i += 1)
      end = this.packed.indexOf(0, end) + 1;
    return end - this.at;
  }

  private take(bytes: number): string[] {
    if (bytes === 0) return [];
    const names = this.packed.toString('latin1', this.at, this.at + bytes - 1).split('\0');
    this.at += bytes;
    return names;
  }

  stats(): EntryStats | undefined {
    const { numbers } = this;
    let at = headNumbers + this.row * fields;
    const take = () => numbers[at++] ?? 0;
    if (take() !== 1) return undefined;
    const stats = {
      mode: take(),
      size: take(),
      mtimeS: take(),
      mtimeNs: take(),
      ctimeS: take(),
      ctimeNs: take(),
      uid: take(),
      gid: take(),
      nlink: take(),
      dev: joined(take(), take()),
      ino: joined(take(), take()),
    };
    return isDatable(stats.mtimeS) && isDatable(stats.ctimeS) ? stats : undefined;
  }
}

/** A number of 64 bits from its halves. */
function joined(high: number, low: number): number | bigint {
  return high < 0x200000 ? high * 0x100000000 + low : (BigInt(high) << 32n) + BigInt(low);
}
