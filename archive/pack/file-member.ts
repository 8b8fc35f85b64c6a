import * as crypto from 'node:crypto';
import { createHash, type Hash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readSync, type BigIntStats } from 'node:fs';
import type { BlockWriter } from '../blocks/block-writer.js';
import type { PackedMember, PlannedMember } from '../../entry/member.js';
import { encodeHeaders } from '../tar/tar-header.js';
import { paddedBytes } from '../tar/tar-records.js';
import type { PackProgress } from './pack-options.js';
import {
  attributesOf,
  changedTypeReason,
  changesSince,
  inodeKey,
  onFile,
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
    const { tar, progress } = this.packing;
    const fd = onFile(() =>
      openSync(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)),
    );
    try {
      for (let attempt = 1; ; attempt += 1) {
        const stats = onFile(() => fstatSync(fd, { bigint: true }));
        if (!stats.isFile()) return changedTypeReason(stats);
        const facts = attributesOf(stats);
        requireInPlace(fd, entry, path, facts);
        const linked = this.earlierLink(stats);
        if (linked !== undefined) return await this.addLink(entry, facts, linked);
        const { size } = facts;
        const tooLarge = this.whyTooLarge(entry, size);
        if (tooLarge !== undefined) return tooLarge;
        const begins = tar.position;
        const before = progress.bytesIn;
        const member = storedMember(entry, facts, { type: 'file', linkTarget: null }, begins);
        await tar.write(encodeHeaders(member));
        const result = await this.addContent(fd, member);
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
        // Its header is already written and promises `size` bytes: zeros replace the missing ones.
        await tar.writeZeros(result.missing + paddedBytes(size) - size);
        return { ...member, sha256: null, flags: ['padded', ...member.flags] };
      }
    } finally {
      closeSync(fd);
    }
  }

  private whyTooLarge(entry: PlannedMember, size: number): string | undefined {
    const { maxBytes, progress } = this.packing;
    if (maxBytes === null || size <= entry.size || progress.bytesIn + size <= maxBytes) return undefined;
    return `grew from ${entry.size} to ${size} bytes since the scan, beyond the archive's limit`;
  }

  /** Reads the content directly into the compressor's blocks. `missing`: bytes that could not be read. */
  private async addContent(fd: number, member: PackedMember) {
    const { tar, progress, checkStop } = this.packing;
    // A file read in one call, as nearly all are, needs no hash object.
    let hash: Hash | undefined;
    let sha256 = emptySha256;
    member.contentOffset = tar.position;
    let left = member.size;
    while (left > 0) {
      checkStop();
      const room = await tar.room();
      let bytes: number;
      try {
        // By position: a reread starts at the beginning again.
        bytes = readSync(fd, room, 0, Math.min(room.length, left), member.size - left);
      } catch (error) {
        return { missing: left, sha256: '', error };
      }
      if (bytes === 0) return { missing: left, sha256: '', error: undefined };
      const content = room.subarray(0, bytes);
      if (bytes === member.size) sha256 = sha256Of(content);
      else (hash ??= createHash('sha256')).update(content);
      tar.advance(bytes);
      left -= bytes;
      progress.bytesIn += bytes;
      progress.bytesOut = tar.bytesOut;
    }
    await tar.writeZeros(paddedBytes(member.size) - member.size);
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
    return { ...member, size: first.size, sha256: first.sha256 };
  }
}

/** SHA-256 in hex; from Node 20.12 on with one call and no object. */
const sha256Of: (bytes: Buffer) => string =
  'hash' in crypto
    ? (bytes) => crypto.hash('sha256', bytes, 'hex')
    : (bytes) => createHash('sha256').update(bytes).digest('hex');

const emptySha256 = sha256Of(Buffer.alloc(0));
