import { createHash } from 'node:crypto';
import { closeSync, fstatSync, readSync } from 'node:fs';
import { setImmediate as yieldNow } from 'node:timers/promises';
import { sourcePathOf } from '../../entry/member-name.js';
import type { CodecChoice } from '../../entry/archive-format.js';
import type { HeldContent, PlannedMember, UnchangedMember } from '../../entry/member.js';
import type { SparseMap } from '../tar/sparse-map.js';
import { holesOf } from './holes.js';
import {
  attributesOf,
  inodeKey,
  isNewer,
  isSameInode,
  openFile,
  requireInPlace,
  SkipEntry,
} from './source-file.js';

/** Bytes read at once. */
const chunkBytes = 1024 * 1024;
/** Chunks after which the thread's timers and finished compressions have their turn. */
const chunksPerTurn = 64;

/** Files of which an earlier archive may hold the content: compared by reading them. */
export class HeldFiles {
  /** By inode with several names: the SHA-256 of its content. */
  private readonly hashes = new Map<string, string>();
  private buffer: Buffer | undefined;

  /**
   * @param choice how holes are found; see `dataExtents`.
   * @param moved called for each chunk that was read; throws when packing is to stop.
   */
  constructor(
    private readonly choice: CodecChoice,
    private readonly moved: () => void,
  ) {}

  /**
   * The line for a file whose content is what the earlier archive holds; undefined when it is another one, or in any
   * doubt: then it is stored, and whatever is wrong with it shows there. Its attributes are those that the scan saw: if
   * they have changed since, the next set sees that by its ctime.
   */
  async same(entry: PlannedMember & { held: HeldContent }): Promise<UnchangedMember | undefined> {
    const sha256 = await this.hashOf(entry);
    if (sha256 === undefined || sha256 !== entry.held.sha256) return undefined;
    const { name, size, mtimeS, mtimeNs, mode, uid, gid, dev, ino, nlink, hardLinkOf, ctime, held } = entry;
    return { name, size, mtimeS, mtimeNs, mode, uid, gid, dev, ino, nlink, hardLinkOf, ctime, ...held };
  }

  /**
   * The SHA-256 of a file's content in hex, with holes where the earlier archive has them; undefined when it is not
   * what the scan saw, or cannot be read.
   */
  private async hashOf(entry: PlannedMember & { held: HeldContent }): Promise<string | undefined> {
    let fd: number | undefined;
    try {
      const path = sourcePathOf(entry.name, process.platform);
      fd = openFile(path);
      const before = fstatSync(fd, { bigint: true });
      const facts = attributesOf(before);
      if (!before.isFile() || !isSameInode(facts, entry) || isNewer(facts, entry)) return undefined;
      requireInPlace(fd, entry, path, facts);
      const { storedSize } = entry.held;
      const holes = storedSize === undefined ? undefined : holesOf(fd, before, this.choice, this.moved);
      if (holes?.storedSize !== storedSize) return undefined;
      const key = before.nlink > 1n ? `${inodeKey(before)}:${storedSize}` : undefined;
      const known = key === undefined ? undefined : this.hashes.get(key);
      if (known !== undefined) return known;
      const sha256 = await this.read(fd, entry.size, holes);
      const after = fstatSync(fd, { bigint: true });
      if (after.size !== before.size || after.mtimeNs !== before.mtimeNs) return undefined;
      if (key !== undefined && sha256 !== undefined) this.hashes.set(key, sha256);
      return sha256;
    } catch (error) {
      // Storing it meets the same error, and says it.
      if (error instanceof SkipEntry || isSystemError(error)) return undefined;
      throw error;
    } finally {
      if (fd !== undefined) closeSync(fd);
    }
  }

  /** Undefined when the file does not have as many bytes. */
  private async read(fd: number, size: number, holes: SparseMap | undefined): Promise<string | undefined> {
    this.buffer ??= Buffer.allocUnsafe(chunkBytes);
    const hash = createHash('sha256');
    if (holes !== undefined) hash.update(holes.bytes);
    let chunks = 0;
    for (const [from, to] of holes?.extents ?? [[0, size] as const]) {
      for (let at = from; at < to; chunks += 1) {
        this.moved();
        const bytes = readSync(fd, this.buffer, 0, Math.min(chunkBytes, to - at), at);
        if (bytes === 0) return undefined;
        hash.update(this.buffer.subarray(0, bytes));
        at += bytes;
        if (chunks % chunksPerTurn === chunksPerTurn - 1) await yieldNow();
      }
    }
    return hash.digest('hex');
  }
}

function isSystemError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error;
}
