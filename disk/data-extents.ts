import { closeSync, openSync, readSync, type BigIntStats, type PathLike } from 'node:fs';
import type { CodecChoice } from '../entry/archive-format.js';
import { loadAddon } from '../native/addon.js';
import { readUnfollowed } from './open-flags.js';

/** A part of a file, in bytes: from the first to before the last. */
export type Extent = readonly [from: number, to: number];

/** What `stat` says of a file's room. `blocks` are of 512 bytes, whatever the file system's own are (stat(2)). */
export type FileRoom = Pick<BigIntStats, 'size' | 'blocks'>;

/** Bytes of a block of `stat`, and of a tar's record: parts begin and end at whole ones. */
const blockBytes = 512;

/** Parts with data that are kept of one file: a map of 2 MB. Of more, the smallest holes count as data. */
const mostExtents = 65_536;

/** Parts that are asked for at once. */
const pageExtents = 4096;

/** Bytes of a file below which holes are looked for neither by the scan, which counts it in full, nor by reading. */
const leastBytes = 1024n * 1024n;

/**
 * True for a file with less room on its disk than bytes; only such a one can have holes. A size beyond what JSON can
 * say exactly is stored by nobody.
 */
function hasLittleRoom({ size, blocks }: FileRoom): boolean {
  return blocks * 512n < size && size <= Number.MAX_SAFE_INTEGER;
}

/**
 * About how many bytes a large file with holes takes in an archive, for the plan; undefined when it has none, when the
 * native part is missing, or the file cannot be opened: then it counts in full. A file that is compressed on its disk
 * has little room there too, but no holes.
 */
export function bytesWithoutHoles(path: PathLike, room: FileRoom): number | undefined {
  if (!hasLittleRoom(room) || room.size < leastBytes) return undefined;
  const ask = loadAddon()?.dataExtents;
  if (ask === undefined) return undefined;
  let fd: number;
  try {
    fd = openSync(path, readUnfollowed);
  } catch {
    // Packing meets the same error, and says it.
    return undefined;
  }
  try {
    const ends = ask(fd, 0, pageExtents);
    if (ends === null) return undefined;
    const told = ends.reduce((sum, end, i) => sum + (i % 2 === 0 ? -end : end), 0);
    // Of so many parts the rest is not counted one by one.
    const data = ends.length < 2 * pageExtents ? told : Number(room.blocks) * blockBytes;
    const stored = data + mapBytes(ends.length / 2);
    return stored < Number(room.size) ? stored : undefined;
  } finally {
    closeSync(fd);
  }
}

/** At most: two numbers of 15 digits and their line feeds for each part, in whole blocks. */
function mapBytes(parts: number): number {
  return Math.ceil((32 * (parts + 2)) / blockBytes) * blockBytes;
}

/**
 * The parts of an open file that have data, ascending, with a hole between each two; undefined for a file that has
 * none, or of which the system does not tell. They begin at whole blocks of 512 bytes, and end there or with the file.
 *
 * By `SEEK_HOLE` in the native part, which moves the file's position. Without it all of a large file is read, if its
 * room is clearly smaller than its size: whole pages of zeros are taken for holes.
 *
 * @param choice with `zlib` the native part is not used.
 * @param goOn called now and then; ends it by throwing.
 * @param most parts at most.
 */
export function dataExtents(
  fd: number,
  room: FileRoom,
  choice: CodecChoice,
  goOn: () => void,
  most = mostExtents,
): Extent[] | undefined {
  if (!hasLittleRoom(room)) return undefined;
  const size = Number(room.size);
  const found = new Extents(size, most);
  const ask = choice === 'zlib' ? undefined : loadAddon()?.dataExtents;
  const isKnown =
    ask !== undefined
      ? addTold(ask, fd, found, goOn)
      : isClearlySmaller(room) && addPagesWithData(fd, found, size, goOn);
  if (!isKnown || found.isWhole) return undefined;
  return found.list();
}

/** Returns false when the system does not tell. */
function addTold(
  ask: (fd: number, from: number, most: number) => number[] | null,
  fd: number,
  found: Extents,
  goOn: () => void,
): boolean {
  for (let from = 0; ;) {
    goOn();
    const page = ask(fd, from, pageExtents);
    if (page === null) return false;
    for (let i = 0; i + 1 < page.length; i += 2) found.add(page[i] ?? 0, page[i + 1] ?? 0);
    if (page.length < 2 * pageExtents) return true;
    from = page.at(-1) ?? Infinity;
  }
}

function isClearlySmaller({ size, blocks }: FileRoom): boolean {
  return size >= leastBytes && blocks * 512n + 65_536n <= size;
}

const pageBytes = 4096;
const zeros = Buffer.alloc(pageBytes);

/** Returns false when the file cannot be read to its end. */
function addPagesWithData(fd: number, found: Extents, size: number, goOn: () => void): boolean {
  const buffer = Buffer.allocUnsafe(256 * pageBytes);
  for (let at = 0; at < size;) {
    goOn();
    let bytes: number;
    try {
      bytes = readSync(fd, buffer, 0, Math.min(buffer.length, size - at), at);
    } catch {
      return false;
    }
    if (bytes === 0) return false;
    for (let from = 0; from < bytes; from += pageBytes) {
      const page = buffer.subarray(from, Math.min(from + pageBytes, bytes));
      if (!page.equals(zeros.subarray(0, page.length))) found.add(at + from, at + from + page.length);
    }
    at += bytes;
  }
  return true;
}

/** Parts as they are found; when they are too many, the smallest holes are dropped. */
class Extents {
  private ends: number[] = [];
  /** A smaller hole counts as data. */
  private leastHole = 1;

  constructor(
    private readonly size: number,
    private readonly most: number,
  ) {}

  get isWhole(): boolean {
    return this.ends.length === 2 && this.ends[0] === 0 && this.ends[1] === this.size;
  }

  add(begin: number, end: number): void {
    const { ends } = this;
    const from = Math.floor(begin / blockBytes) * blockBytes;
    const to = Math.min(Math.ceil(end / blockBytes) * blockBytes, this.size);
    if (to <= from) return;
    const last = ends.at(-1);
    if (last !== undefined && from - last < this.leastHole) ends[ends.length - 1] = Math.max(last, to);
    else ends.push(from, to);
    while (this.ends.length > 2 * this.most) this.dropSmallHoles();
  }

  list(): Extent[] {
    const { ends } = this;
    return Array.from({ length: ends.length / 2 }, (_, i) => [ends[2 * i] ?? 0, ends[2 * i + 1] ?? 0]);
  }

  private dropSmallHoles(): void {
    this.leastHole *= 2;
    const kept: number[] = [];
    for (let i = 0; i < this.ends.length; i += 2) {
      const [from = 0, to = 0] = this.ends.slice(i, i + 2);
      const last = kept.at(-1);
      if (last !== undefined && from - last < this.leastHole) kept[kept.length - 1] = to;
      else kept.push(from, to);
    }
    this.ends = kept;
  }
}
