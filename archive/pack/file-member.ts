import { closeSync, fstatSync } from 'node:fs';
import type { PackedMember, PlannedMember } from '../../entry/member.js';
import { encodeHeaders } from '../tar/tar-header.js';
import { paddedBytes } from '../tar/tar-records.js';
import { english } from '../../messages/sentence.js';
import { sha256Of } from './content-hash.js';
import { whyTooLarge, type FilePacking } from './file-packing.js';
import { attributesOfOpen } from './read-attributes.js';
import {
  attributesOf,
  changedTypeReason,
  inodeKey,
  onFile,
  openFile,
  type FileAttributes,
} from './source-file.js';
import { SteadyFiles } from './steady-files.js';
import { storedMember } from './stored-member.js';
import { readUnsized, unsizedBytes } from './unsized-file.js';

/** Writes the files of one archive, with the hard links among them. */
export class FileMembers {
  private readonly steady: SteadyFiles;
  /** First member of each hard-linked inode. */
  private readonly inodes = new Map<string, PackedMember>();

  constructor(private readonly packing: FilePacking) {
    this.steady = new SteadyFiles(packing);
  }

  /** Bytes in the archive that a later member of the same name replaces. */
  get superseded(): number {
    return this.steady.superseded;
  }

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
      const stored = await this.steady.add(entry, fd, stats, facts);
      // Without a hash, it is not what the next name of the inode should be.
      const isWhole = typeof stored !== 'string' && stored.sha256 !== null;
      if (isWhole && stored.nlink > 1) this.inodes.set(inodeKey(stats), stored);
      return stored;
    } finally {
      closeSync(fd);
    }
  }

  /** Stores content whose length was known only when it had been read. */
  private async addUnsized(
    entry: PlannedMember,
    fd: number,
    facts: FileAttributes,
    content: Buffer,
  ): Promise<PackedMember | string> {
    const { tar, progress } = this.packing;
    const tooLarge = whyTooLarge(this.packing, entry, content.length, false);
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

const noBytes = Buffer.alloc(0);

const unsizedReason = english`says that it is empty and has more than ${unsizedBytes / 1024 / 1024} MiB:
    how much it has must be known before it is stored`;
