import type { BlockIndex } from '../../entry/block-index.js';
import type { PayloadKey } from '../age/age-format.js';
import type { Decompressor } from '../blocks/decompressor.js';
import { english } from '../../messages/sentence.js';
import type { ArchiveBytes, LostRange } from './archive-bytes.js';
import { ArchiveDamaged } from './archive-file.js';
import { openBytes } from './open-bytes.js';
import type { Chunk, TarSource } from './tar-source.js';

const noChunk = (() => {
  const chunk: Chunk = { start: 0, data: Buffer.alloc(0) };
  return { chunk, promise: Promise.resolve(chunk) };
})();

/** Contents of a block; bytes in a hole are unreadable. Only an uncompressed block can be partly readable. */
interface LoadedBlock {
  data: Buffer;
  holes: readonly LostRange[];
}

/** State of a block. */
const [UNREAD, READ, UNREADABLE] = [0, 1, 2] as const;

/**
 * Reads an archive by its index: only the blocks with wanted bytes, in file order, several decompressed at once on
 * libuv's pool. Each block's checksum is verified if it has one. A damaged or unreadable block loses only its own
 * bytes; an uncompressed one loses only the unreadable bytes.
 *
 * @param inFlight number of blocks read ahead.
 * @param hashing also compute the file's hash; for a reader that reads all of it.
 * @param opened what opens the archive, if it is encrypted; the index is then that of what is encrypted.
 */
export class IndexedReader implements TarSource {
  private readonly file: ArchiveBytes;
  /** Byte of the file, or of what is encrypted in it, where each block begins, and its end. */
  private readonly begins: number[] = [0];
  private readonly loaded = new Map<number, Promise<LoadedBlock>>();
  /** The last requested chunk: the next request is mostly in the same block. */
  private last = noChunk;
  /** Blocks that will be wanted, in order. */
  private readonly expected: number[] = [];
  private readonly known: Uint8Array;
  /** Which parts of the file could not be read, as parts of sentences. */
  readonly unreadable: string[] = [];

  constructor(
    path: string,
    private readonly decompressor: Decompressor,
    private readonly index: BlockIndex,
    private readonly inFlight: number,
    hashing = false,
    opened?: PayloadKey,
  ) {
    this.file = openBytes(path, hashing, opened);
    let at = 0;
    for (const bytes of index.blocks) this.begins.push((at += bytes));
    this.known = new Uint8Array(index.blocks.length);
  }

  prefetch(from: number, to: number): void {
    const { blockBytes, blocks } = this.index;
    const last = Math.min(Math.floor(Math.max(to - 1, from) / blockBytes), blocks.length - 1);
    let block = Math.max(Math.floor(from / blockBytes), (this.expected.at(-1) ?? -1) + 1);
    for (; block <= last; block += 1) this.expected.push(block);
  }

  chunkAt(offset: number): Promise<Chunk | undefined> {
    return this.lastAt(offset) === undefined ? this.chunkOfBlock(offset) : this.last.promise;
  }

  /** The chunk that was requested last, if it contains the byte at `offset`. */
  lastAt(offset: number): Chunk | undefined {
    const { chunk } = this.last;
    return offset >= chunk.start && offset < chunk.start + chunk.data.length ? chunk : undefined;
  }

  private async chunkOfBlock(offset: number): Promise<Chunk | undefined> {
    const { blockBytes, blocks } = this.index;
    const block = Math.floor(offset / blockBytes);
    if (block >= blocks.length) return undefined;
    for (const earlier of this.loaded.keys()) if (earlier < block) this.loaded.delete(earlier);
    while (this.expected.length > 0 && (this.expected[0] ?? 0) <= block) this.expected.shift();
    const wanted = this.load(block);
    while (this.loaded.size < this.inFlight) {
      const next = this.expected.shift();
      if (next === undefined) break;
      void this.load(next);
    }
    const { data, holes } = await wanted;
    const start = block * blockBytes;
    if (offset >= start + data.length) return undefined;
    const chunk = holes.length === 0 ? { start, data } : betweenHoles(start, data, holes, offset - start);
    this.last = { chunk, promise: Promise.resolve(chunk) };
    return chunk;
  }

  /** SHA-256 of the whole file in hex; reads it to its end. Undefined when something could not be read. */
  async sha256(): Promise<string | undefined> {
    const { blockBytes, blocks } = this.index;
    for (let block = 0; block < blocks.length; block += 1) {
      const isHashed = (this.begins[block + 1] ?? 0) <= this.file.hashedTo;
      const isWanted = this.unreadable.length === 0 ? !isHashed : this.known[block] === UNREAD;
      if (isWanted) await this.chunkAt(block * blockBytes).catch(onlyDamage);
    }
    const isWhole = this.unreadable.length === 0 && this.file.hashedTo >= this.file.size;
    return isWhole ? this.file.sha256() : undefined;
  }

  close(): void {
    this.loaded.clear();
    this.file.close();
  }

  private load(block: number): Promise<LoadedBlock> {
    const known = this.loaded.get(block);
    if (known !== undefined) return known;
    const loading = this.decompress(block);
    // A block that is never requested must not cause an unhandled rejection.
    loading.catch(() => undefined);
    this.loaded.set(block, loading);
    return loading;
  }

  private async decompress(block: number): Promise<LoadedBlock> {
    const { blockBytes, blocks } = this.index;
    const from = this.begins[block] ?? 0;
    const bytes = blocks[block] ?? 0;
    if (from + bytes > this.file.size)
      throw new ArchiveDamaged(english`the archive is cut short: it ends after ${this.file.fileSize} bytes`);
    const compressed = Buffer.allocUnsafe(bytes);
    const isPlain = this.decompressor.format === 'none';
    const reading = this.file.read(compressed, from, !isPlain);
    const { bytes: read, holes } = reading instanceof Promise ? await reading : reading;
    const what = english`block ${block + 1} of ${blocks.length}`;
    const unreadable = holes.filter(({ isUnreadable }) => isUnreadable);
    if (unreadable.length > 0 && this.known[block] !== UNREADABLE)
      this.unreadable.push(
        ...unreadable.map(({ why }) => english`block ${block + 1} of ${blocks.length}: ${why}`),
      );
    if (this.known.length > block) this.known[block] = unreadable.length === 0 ? READ : UNREADABLE;
    if (holes.length > 0 && !isPlain)
      throw new ArchiveDamaged(english`block ${block + 1} of ${blocks.length}: ${holes[0]?.why ?? ''}`);
    if (read < bytes) throw new ArchiveDamaged(english`the archive became shorter while it was read`);
    const data = await this.decompressor.block(compressed, blockBytes, what);
    if (block < blocks.length - 1 && data.length !== blockBytes)
      throw new ArchiveDamaged(english`${what} has ${data.length} bytes`);
    return { data, holes };
  }
}

/** The readable bytes of a block around one byte, up to the nearest hole on each side. */
function betweenHoles(start: number, data: Buffer, holes: LoadedBlock['holes'], at: number): Chunk {
  let [from, to] = [0, data.length];
  for (const hole of holes) {
    if (at >= hole.from && at < hole.to) throw new ArchiveDamaged(hole.why);
    if (hole.to <= at) from = Math.max(from, hole.to);
    else to = Math.min(to, hole.from);
  }
  return { start: start + from, data: data.subarray(from, to) };
}

/** Ignores damage, which is recorded where it occurs; rethrows any other error. */
function onlyDamage(error: unknown): void {
  if (!(error instanceof ArchiveDamaged)) throw error;
}
