import * as crypto from 'node:crypto';
import { createHash, type Hash } from 'node:crypto';
import { closeSync, fstatSync, readSync, type BigIntStats } from 'node:fs';
import type { BlockWriter } from '../blocks/block-writer.js';
import type { CodecChoice } from '../../entry/archive-format.js';
import { storedBytes, type PackedMember, type PlannedMember } from '../../entry/member.js';
import type { SparseMap } from '../tar/sparse-map.js';
import { encodeHeaders } from '../tar/tar-header.js';
import { paddedBytes } from '../tar/tar-records.js';
import { holesOf } from './holes.js';
import type { PackProgress } from './pack-options.js';
import {
  attributesOf,
  changedTypeReason,
  changesSince,
  inodeKey,
  onFile,
  openFile,
  requireInPlace,
  unreadableReason,
  type FileAttributes,
} from './source-file.js';
import { storedMember } from './stored-member.js';

/** How often a small file is reread when it shrinks while being read. */
const rereads = 3;

/** What the files of an archive are packed with. */
export interface FilePacking {
  tar: BlockWriter;
  /** Counts the content as it is read. */
  progress: PackProgress;
  /** See `PackOptions`. */
  maxBytes: number | null;
  /** How holes are found; see `dataExtents`. */
  codec: CodecChoice;
  /** Throws when packing is to stop; called before each block. */
  checkStop(): void;
}

/** Writes the files of one archive, with the hard links among them. */
export class FileMembers {
  /** First member of each hard-linked inode. */
  private readonly inodes = new Map<string, PackedMember>();

  constructor(private readonly packing: FilePacking) {}

  /** The member as stored, or the reason why it was skipped; also throws `SkipEntry`. */
  async add(entry: PlannedMember, path: Buffer): Promise<PackedMember | string> {
    const { tar, progress, codec, checkStop } = this.packing;
    const fd = openFile(path);
    try {
      for (let attempt = 1; ; attempt += 1) {
        const stats = onFile(() => fstatSync(fd, { bigint: true }));
        if (!stats.isFile()) return changedTypeReason(stats);
        const facts = attributesOf(stats);
        requireInPlace(fd, entry, path, facts);
        const linked = this.earlierLink(stats);
        if (linked !== undefined) return await this.addLink(entry, facts, linked);
        const holes = holesOf(fd, stats, codec, checkStop);
        const stored = holes?.storedSize ?? facts.size;
        const tooLarge = this.whyTooLarge(entry, stored);
        if (tooLarge !== undefined) return tooLarge;
        const begins = tar.position;
        const before = progress.bytesIn;
        const member = storedMember(entry, facts, { type: 'file', linkTarget: null }, begins);
        if (holes !== undefined) member.storedSize = stored;
        await tar.write(encodeHeaders(member));
        const result = await this.addContent(fd, member, holes);
        if (result.missing === 0) {
          member.sha256 = result.sha256;
          member.flags = [...changesSince(fd, stats), ...member.flags];
          if (stats.nlink > 1n) this.inodes.set(inodeKey(stats), member);
          return member;
        }
        if (tar.rewind(begins)) {
          progress.bytesIn = before;
          if (result.error !== undefined) return unreadableReason(result.error);
          if (attempt <= rereads) continue;
          return 'shrank again and again while it was read';
        }
        // Its header is already written and promises that many bytes: zeros replace the missing ones.
        await tar.writeZeros(result.missing + paddedBytes(stored) - stored);
        return { ...member, sha256: null, flags: ['padded', ...member.flags] };
      }
    } finally {
      closeSync(fd);
    }
  }

  /** @param bytes that it would take in the archive. */
  private whyTooLarge(entry: PlannedMember, bytes: number): string | undefined {
    const { maxBytes, progress } = this.packing;
    const planned = storedBytes(entry);
    if (maxBytes === null || bytes <= planned || progress.bytesIn + bytes <= maxBytes) return undefined;
    return `grew from ${planned} to ${bytes} bytes since the scan, beyond the archive's limit`;
  }

  /** Reads the content directly into the compressor's blocks. `missing`: bytes that could not be read. */
  private async addContent(fd: number, member: PackedMember, holes: SparseMap | undefined) {
    const { tar, progress, checkStop } = this.packing;
    // A file read in one call, as nearly all are, needs no hash object.
    let hash: Hash | undefined;
    let sha256 = emptySha256;
    member.contentOffset = tar.position;
    const stored = storedBytes(member);
    let left = stored;
    if (holes !== undefined) {
      hash = createHash('sha256').update(holes.bytes);
      await tar.write(holes.bytes);
      left -= holes.bytes.length;
      progress.bytesIn += holes.bytes.length;
    }
    for (const [from, to] of holes?.extents ?? [[0, stored]]) {
      for (let at = from; at < to;) {
        checkStop();
        const room = await tar.room();
        let bytes: number;
        try {
          // By position: a reread starts at the beginning again.
          bytes = readSync(fd, room, 0, Math.min(room.length, to - at), at);
        } catch (error) {
          return { missing: left, sha256: '', error };
        }
        if (bytes === 0) return { missing: left, sha256: '', error: undefined };
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
    return { missing: 0, sha256: hash?.digest('hex') ?? sha256, error: undefined };
  }

  private earlierLink(stats: BigIntStats): PackedMember | undefined {
    return stats.nlink > 1n ? this.inodes.get(inodeKey(stats)) : undefined;
  }

  private async addLink(
    entry: PlannedMember,
    facts: FileAttributes,
    first: PackedMember,
  ): Promise<PackedMember> {
    const { tar } = this.packing;
    const member = storedMember(entry, facts, { type: 'link', linkTarget: first.name }, tar.position);
    await tar.write(encodeHeaders({ ...member, size: 0 }));
    const { size, storedSize, sha256 } = first;
    return { ...member, size, sha256, ...(storedSize === undefined ? {} : { storedSize }) };
  }
}

/** SHA-256 in hex; from Node 20.12 on with one call and no object. */
const sha256Of: (bytes: Buffer) => string =
  'hash' in crypto
    ? (bytes) => crypto.hash('sha256', bytes, 'hex')
    : (bytes) => createHash('sha256').update(bytes).digest('hex');

const emptySha256 = sha256Of(Buffer.alloc(0));
