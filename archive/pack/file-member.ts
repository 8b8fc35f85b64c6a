import { createHash, type Hash } from 'node:crypto';
import { closeSync, fstatSync, readSync, type BigIntStats } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BlockWriter } from '../blocks/block-writer.js';
import type { CodecChoice } from '../../entry/archive-format.js';
import { storedBytes, type MemberFlag, type PackedMember, type PlannedMember } from '../../entry/member.js';
import type { SparseMap } from '../tar/sparse-map.js';
import { encodeHeaders } from '../tar/tar-header.js';
import { paddedBytes } from '../tar/tar-records.js';
import { sha256Of, type ContentHash } from './content-hash.js';
import { holesOf } from './holes.js';
import type { PackProgress } from './pack-options.js';
import { attributesOfOpen } from './read-attributes.js';
import {
  attributesOf,
  changedTypeReason,
  inodeKey,
  isSystemError,
  isTouched,
  onFile,
  openFile,
  unreadableReason,
  type FileAttributes,
} from './source-file.js';
import { storedMember } from './stored-member.js';
import { readUnsized, unsizedBytes } from './unsized-file.js';

/** How often a file is read again when it shrinks or changes while it is read. */
const rereads = 3;
/** Milliseconds between two looks at a file that is being written, and how many looks it has to become quiet. */
const quietMs = 50;
const quietLooks = 20;

/** What the files of an archive are packed with. */
export interface FilePacking {
  tar: BlockWriter;
  /** Counts the content as it is read. */
  progress: PackProgress;
  /** See `PackOptions`. */
  maxBytes: number | null;
  /** How holes are found; see `dataExtents`. */
  codec: CodecChoice;
  content: ContentHash;
  /** Throws when packing is to stop; called before each block. */
  checkStop(): void;
}

/** A file's content once as it was read into the archive. */
interface Reading {
  member: PackedMember;
  holes: SparseMap | undefined;
  /** Bytes that could not be read, and why, unless the file just ended. */
  missing: number;
  error: unknown;
}

/** Writes the files of one archive, with the hard links among them. */
export class FileMembers {
  /** Bytes in the archive that a later member of the same name replaces. */
  superseded = 0;
  /** First member of each hard-linked inode. */
  private readonly inodes = new Map<string, PackedMember>();

  constructor(private readonly packing: FilePacking) {}

  /** The member as stored, or the reason why it was skipped; also throws `SkipEntry`. */
  async add(entry: PlannedMember, path: Buffer): Promise<PackedMember | string> {
    const fd = openFile(entry, path);
    try {
      const stats = onFile(() => fstatSync(fd, { bigint: true }));
      if (!stats.isFile()) return changedTypeReason(stats);
      const facts = attributesOf(stats);
      const linked = stats.nlink > 1n ? this.inodes.get(inodeKey(stats)) : undefined;
      if (linked !== undefined) return await this.addLink(entry, fd, facts, linked);
      const unsized = facts.size === 0 ? readUnsized(fd, this.packing.checkStop) : noBytes;
      if (unsized === undefined) return unsizedReason;
      if (unsized.length > 0) return await this.addUnsized(entry, fd, facts, unsized);
      return await this.addSteady(entry, fd, stats, facts);
    } finally {
      closeSync(fd);
    }
  }

  /**
   * Stores the content of a moment: what changes while it is read is read again once it is quiet. The first reading is
   * taken back while it is in the open block; else the next one becomes a later member of the same name.
   */
  private async addSteady(
    entry: PlannedMember,
    fd: number,
    stats: BigIntStats,
    facts: FileAttributes,
  ): Promise<PackedMember | string> {
    const { tar, progress, codec, checkStop } = this.packing;
    /** What is in the archive already, and cannot be taken back. */
    let last: PackedMember | undefined;
    /** The length of a file that says another one. */
    let length: number | undefined;
    for (let attempt = 1; ; attempt += 1) {
      const begins = tar.position;
      const before = progress.bytesIn;
      const holes = length === undefined ? holesOf(fd, stats, codec, checkStop) : undefined;
      const tooLarge = this.whyTooLarge(entry, holes?.storedSize ?? facts.size, last);
      if (tooLarge !== undefined) return last === undefined ? tooLarge : inconsistent(last);
      const reading = await this.read(entry, fd, facts, holes, length);
      const { member, missing, error } = reading;
      const now = fstatSync(fd, { bigint: true });
      const isTouchedNow = isTouched(now, stats);
      // What can be taken back is rather read again than compared, so that it has its new time too.
      const compare = attempt > rereads || !tar.canRewind(begins);
      if (missing === 0 && (!isTouchedNow || (compare && (await this.isStill(fd, reading))))) {
        this.supersede(last);
        if (stats.nlink > 1n) this.inodes.set(inodeKey(stats), member);
        return isTouchedNow ? { ...member, flags: [...changesOf(now, stats), ...member.flags] } : member;
      }
      if (attempt > rereads || error !== undefined) return this.giveUp(reading, begins, before, last);
      if (missing > 0 && !isTouchedNow) length = member.size - missing;
      if (tar.rewind(begins)) progress.bytesIn = before;
      else if (missing > 0) return this.pad(reading, last);
      else {
        this.supersede(last);
        last = member;
      }
      stats = await this.quiet(fd);
      facts = attributesOf(stats);
    }
  }

  /** After the last reading: what is stored of a file that never was the same for long enough. */
  private async giveUp(
    reading: Reading,
    begins: number,
    bytesBefore: number,
    last: PackedMember | undefined,
  ): Promise<PackedMember | string> {
    const { member, missing, error } = reading;
    const { tar, progress } = this.packing;
    if (missing === 0) {
      this.supersede(last);
      return inconsistent(member);
    }
    if (!tar.rewind(begins)) return this.pad(reading, last);
    progress.bytesIn = bytesBefore;
    if (last !== undefined) return inconsistent(last);
    return error === undefined ? 'shrank again and again while it was read' : unreadableReason(error);
  }

  /** Its header is already written and promises more bytes: zeros replace the missing ones. */
  private async pad({ member, missing }: Reading, last: PackedMember | undefined): Promise<PackedMember> {
    this.supersede(last);
    const stored = storedBytes(member);
    await this.packing.tar.writeZeros(missing + paddedBytes(stored) - stored);
    return { ...member, sha256: null, flags: ['padded', ...member.flags] };
  }

  private supersede(last: PackedMember | undefined): void {
    if (last !== undefined) this.superseded += storedBytes(last);
  }

  /** True when the file still holds what was stored; false too when it cannot be read any more. */
  private async isStill(fd: number, { member: { size, sha256 }, holes }: Reading): Promise<boolean> {
    try {
      return (await this.packing.content.read(fd, size, holes)) === sha256;
    } catch (error) {
      if (isSystemError(error)) return false;
      throw error;
    }
  }

  /** Waits until a file is not being written, but no longer than about a second. */
  private async quiet(fd: number): Promise<BigIntStats> {
    let stats = fstatSync(fd, { bigint: true });
    for (let look = 1; look <= quietLooks; look += 1) {
      await sleep(quietMs);
      this.packing.checkStop();
      const now = fstatSync(fd, { bigint: true });
      if (!isTouched(now, stats)) return now;
      stats = now;
    }
    return stats;
  }

  private whyTooLarge(
    entry: PlannedMember,
    size: number,
    last: PackedMember | undefined,
  ): string | undefined {
    const { maxBytes, progress } = this.packing;
    const planned = storedBytes(entry);
    const isPlanned = size <= planned && last === undefined;
    if (maxBytes === null || isPlanned || progress.bytesIn + size <= maxBytes) return undefined;
    return `grew from ${planned} to ${size} bytes since the scan, beyond the archive's limit`;
  }

  /** Writes a file's headers and reads its content directly into the compressor's blocks. */
  private async read(
    entry: PlannedMember,
    fd: number,
    facts: FileAttributes,
    holes: SparseMap | undefined,
    length: number | undefined,
  ): Promise<Reading> {
    const { tar, progress, checkStop } = this.packing;
    const found = attributesOfOpen(fd);
    const member = storedMember(entry, facts, found, { type: 'file', linkTarget: null }, tar.position);
    member.size = length ?? member.size;
    if (holes !== undefined) member.storedSize = holes.storedSize;
    await tar.write(encodeHeaders(member));
    member.contentOffset = tar.position;
    // A file read in one call, as nearly all are, needs no hash object.
    let hash: Hash | undefined;
    let sha256 = emptySha256;
    const stored = storedBytes(member);
    let left = stored;
    if (holes !== undefined) {
      hash = createHash('sha256').update(holes.bytes);
      await tar.write(holes.bytes);
      left -= holes.bytes.length;
      progress.bytesIn += holes.bytes.length;
    }
    for (const [from, to] of holes?.extents ?? [[0, stored] as const]) {
      for (let at = from; at < to;) {
        checkStop();
        const room = await tar.room();
        let bytes: number;
        try {
          // By position: a reread starts at the beginning again.
          bytes = readSync(fd, room, 0, Math.min(room.length, to - at), at);
        } catch (error) {
          return { member, holes, missing: left, error };
        }
        if (bytes === 0) return { member, holes, missing: left, error: undefined };
        const content = room.subarray(0, bytes);
        if (bytes === stored) sha256 = sha256Of(content);
        else (hash ??= createHash('sha256')).update(content);
        tar.advance(bytes);
        at += bytes;
        left -= bytes;
        progress.bytesIn += bytes;
        progress.bytesOut = tar.bytesOut;
      }
    }
    await tar.writeZeros(paddedBytes(stored) - stored);
    member.sha256 = hash?.digest('hex') ?? sha256;
    return { member, holes, missing: 0, error: undefined };
  }

  /** Stores content whose length was known only when it had been read. */
  private async addUnsized(
    entry: PlannedMember,
    fd: number,
    facts: FileAttributes,
    content: Buffer,
  ): Promise<PackedMember | string> {
    const { tar, progress } = this.packing;
    const tooLarge = this.whyTooLarge(entry, content.length, undefined);
    if (tooLarge !== undefined) return tooLarge;
    const found = attributesOfOpen(fd);
    const member = storedMember(entry, facts, found, { type: 'file', linkTarget: null }, tar.position);
    member.size = content.length;
    await tar.write(encodeHeaders(member));
    member.contentOffset = tar.position;
    await tar.write(content);
    await tar.writeZeros(paddedBytes(content.length) - content.length);
    progress.bytesIn += content.length;
    member.sha256 = sha256Of(content);
    return member;
  }

  private async addLink(
    entry: PlannedMember,
    fd: number,
    facts: FileAttributes,
    first: PackedMember,
  ): Promise<PackedMember> {
    const { tar } = this.packing;
    const found = attributesOfOpen(fd);
    const member = storedMember(entry, facts, found, { type: 'link', linkTarget: first.name }, tar.position);
    await tar.write(encodeHeaders({ ...member, size: 0 }));
    const { size, storedSize, sha256 } = first;
    return { ...member, size, sha256, ...(storedSize === undefined ? {} : { storedSize }) };
  }
}

/** What has happened to a file whose content is that of one moment. */
function changesOf(now: BigIntStats, before: BigIntStats): MemberFlag[] {
  if (now.size > before.size) return ['grew'];
  return now.mtimeNs !== before.mtimeNs ? ['changed'] : [];
}

function inconsistent(member: PackedMember): PackedMember {
  return { ...member, sha256: null, flags: ['inconsistent', ...member.flags] };
}

const noBytes = Buffer.alloc(0);
const emptySha256 = sha256Of(noBytes);

const unsizedReason =
  `says that it is empty and has more than ${unsizedBytes / 1024 / 1024} MiB: ` +
  'how much it has must be known before it is stored';
