import * as crypto from 'node:crypto';
import { createHash, type Hash } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readSync,
  readlinkSync,
  type BigIntStats,
} from 'node:fs';
import { endLine, headerLine, unchangedLine, memberLine, skippedLine } from '../manifest/manifest.js';
import type { ManifestEnd, ManifestHeader } from '../../entry/manifest-content.js';
import { sourcePathOf } from '../../entry/member-name.js';
import { ThreadWatch } from '../../disk/thread-watch.js';
import type { UnchangedMember, PackedMember, PlannedMember, SkippedMember } from '../../entry/member.js';
import { openCodec, type BlockCodec } from '../blocks/block-codec.js';
import type { ArchiveFormat, CodecChoice } from '../../entry/archive-format.js';
import { OutputFile, type OutputSide } from './output-file.js';
import { BlockWriter } from '../blocks/block-writer.js';
import {
  SkipEntry,
  changesSince,
  attributesOf,
  inodeKey,
  isNewer,
  isSameInode,
  onFile,
  changedTypeReason,
  requireInPlace,
  requireNoLinkAbove,
  unreadableReason,
  type FileAttributes,
} from './source-file.js';
import { encodeHeaders } from '../tar/tar-header.js';
import { paddedBytes, recordBytes } from '../tar/tar-records.js';

export interface PackOptions {
  /** Both must not exist. */
  archivePath: string;
  manifestPath: string;
  /** The side of both files, for errors of writing them. Default: `staging`. */
  side?: OutputSide | undefined;
  /** Default: `gzip`. */
  format?: ArchiveFormat;
  /** See `openCodec`. */
  level: number;
  /** Default: `auto`. With `zlib`, the native part is not used at all. */
  codec?: CodecChoice;
  /** Number of blocks compressed at once. */
  inFlight: number;
  /** Maximum bytes of file content; a file that has grown beyond it since the plan is skipped. Null: no limit. */
  maxBytes: number | null;
  manifestHeader: ManifestHeader;
}

export interface PackOutcome {
  archive: ManifestEnd;
  manifest: { size: number; sha256: string };
}

export interface PackProgress {
  /** Bytes of file content read so far. */
  bytesIn: number;
  /** Compressed bytes written so far. */
  bytesOut: number;
  files: number;
}

/** How often a small file is reread when it shrinks while being read. */
const rereads = 3;
/** Compression level of the manifest. */
const manifestLevel = 6;

/** Thrown when `shouldStop` returns true. */
class PackStopped extends Error {}

/**
 * Packs entries into a new archive with its manifest; both are synced when `finish` returns. Everything except
 * compression is synchronous, so run it in a separate thread. A bad entry is skipped with its reason; an output error
 * is thrown and keeps its `code`.
 */
export class Packer {
  readonly progress: PackProgress = { bytesIn: 0, bytesOut: 0, files: 0 };
  private readonly archive: OutputFile;
  private readonly manifest: OutputFile;
  private readonly tar: BlockWriter;
  private readonly list: BlockWriter;
  /** First member of each hard-linked inode. */
  private readonly inodes = new Map<string, PackedMember>();
  private skipped = 0;
  private kept = 0;
  /** Entries that were come to so far. */
  private entries = 0;
  private begun = false;

  /**
   * Creates both files. `shouldStop` is checked before each entry and each block. Throws `FormatUnsupported` when zstd
   * is not available. `watch` is told what the packer reads and writes.
   */
  static async open(
    options: PackOptions,
    shouldStop: () => boolean,
    watch = new ThreadWatch(),
  ): Promise<Packer> {
    const choice = options.codec ?? 'auto';
    const codecs = [
      await openCodec(options.format ?? 'gzip', options.level, choice),
      await openCodec('gzip', manifestLevel, choice),
    ] as const;
    return new Packer(options, shouldStop, watch, ...codecs);
  }

  private constructor(
    private readonly options: PackOptions,
    private readonly shouldStop: () => boolean,
    private readonly watch: ThreadWatch,
    private readonly codec: BlockCodec,
    listCodec: BlockCodec,
  ) {
    const { inFlight, side = 'staging' } = options;
    this.archive = new OutputFile(options.archivePath, side, watch);
    try {
      this.manifest = new OutputFile(options.manifestPath, side, watch);
    } catch (error) {
      this.archive.abandon();
      throw error;
    }
    this.tar = new BlockWriter({ codec, inFlight, write: (chunk) => this.archive.write(chunk) });
    this.list = new BlockWriter({
      codec: listCodec,
      inFlight: 2,
      write: (chunk) => this.manifest.write(chunk),
    });
  }

  /**
   * Adds entries in order; those held by an earlier archive are only listed. Returns what was stored and what was
   * skipped; padded files are in both.
   */
  async add(
    planned: readonly (PlannedMember | UnchangedMember)[],
  ): Promise<{ packed: PackedMember[]; skipped: SkippedMember[] }> {
    if (!this.begun) await this.list.write(Buffer.from(headerLine(this.options.manifestHeader)));
    this.begun = true;
    const packed: PackedMember[] = [];
    const skipped: SkippedMember[] = [];
    let lines = '';
    for (const entry of planned) {
      this.checkStop();
      this.entries += 1;
      this.watch.reads(this.entries);
      if ('set' in entry) {
        lines += unchangedLine(entry);
        this.kept += 1;
        continue;
      }
      const start = this.tar.position;
      let stored: PackedMember | string;
      try {
        stored = await this.addOne(entry);
      } catch (error) {
        if (error instanceof SkipEntry) stored = error.message;
        else throw error;
      }
      if (typeof stored === 'string') {
        if (this.tar.position !== start)
          throw new Error(`a skipped entry left bytes in the archive: ${entry.name}`);
        skipped.push({ name: entry.name, reason: stored });
        continue;
      }
      packed.push(stored);
      if (stored.flags.includes('padded')) skipped.push({ name: entry.name, reason: paddedReason });
    }
    for (const member of packed) lines += memberLine(member);
    await this.list.write(Buffer.from(lines));
    await this.listSkipped(skipped);
    this.progress.files += packed.length;
    this.progress.bytesOut = this.tar.bytesOut;
    return { packed, skipped };
  }

  /** Ends and syncs the archive and the manifest. `alsoSkipped`: skipped entries that were not passed to `add`. */
  async finish(alsoSkipped: readonly SkippedMember[]): Promise<PackOutcome> {
    this.checkStop();
    this.watch.rests();
    if (!this.begun) await this.add([]);
    // Two zero records end an archive; tar's blocking pads it to 10 KiB.
    const end = this.tar.position + 2 * recordBytes;
    const blocking = 20 * recordBytes;
    await this.tar.writeZeros(Math.ceil(end / blocking) * blocking - this.tar.position);
    const tarBytes = this.tar.position;
    const sha256 = await this.tar.end();
    this.checkStop();
    this.archive.finish();
    await this.listSkipped(alsoSkipped);
    const archive: ManifestEnd = {
      members: this.progress.files,
      skipped: this.skipped,
      kept: this.kept,
      bytesIn: this.progress.bytesIn,
      size: this.tar.bytesOut,
      sha256,
      tarBytes,
      blockBytes: this.codec.blockBytes,
      blocks: this.tar.blockSizes,
    };
    await this.list.write(Buffer.from(endLine(archive)));
    const manifestHash = await this.list.end();
    this.manifest.finish();
    return { archive, manifest: { size: this.list.bytesOut, sha256: manifestHash } };
  }

  /** Closes both files as they are, ignoring errors; for a failed attempt. */
  async abandon(): Promise<void> {
    await Promise.allSettled([this.tar.abandon(), this.list.abandon()]);
    this.archive.abandon();
    this.manifest.abandon();
  }

  private async listSkipped(skipped: readonly SkippedMember[]): Promise<void> {
    this.skipped += skipped.length;
    for (const entry of skipped) await this.list.write(Buffer.from(skippedLine(entry)));
  }

  private checkStop(): void {
    if (this.shouldStop()) throw new PackStopped('stopped');
  }

  /** The member as stored, or the reason why it was skipped. */
  private async addOne(entry: PlannedMember): Promise<PackedMember | string> {
    const path = sourcePathOf(entry.name, process.platform);
    if (entry.type === 'file') return this.addFile(entry, path);
    const stats = onFile(() => lstatSync(path, { bigint: true }));
    if (entry.type === 'directory' ? !stats.isDirectory() : !stats.isSymbolicLink())
      return changedTypeReason(stats);
    const facts = attributesOf(stats);
    requireNoLinkAbove(entry, path, facts);
    const linkTarget = entry.type === 'symlink' ? onFile(() => readlinkSync(path, 'latin1')) : null;
    const member = this.memberOf(entry, facts, { type: entry.type, linkTarget });
    if (linkTarget !== entry.linkTarget) member.flags = ['newer'];
    await this.tar.write(encodeHeaders({ ...member, size: 0 }));
    return member;
  }

  private whyTooLarge(entry: PlannedMember, size: number): string | undefined {
    const { maxBytes } = this.options;
    if (maxBytes === null || size <= entry.size || this.progress.bytesIn + size <= maxBytes) return undefined;
    return `grew from ${entry.size} to ${size} bytes since the scan, beyond the archive's limit`;
  }

  private async addFile(entry: PlannedMember, path: Buffer): Promise<PackedMember | string> {
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
        const member = this.memberOf(entry, facts, { type: 'file', linkTarget: null });
        const begins = this.tar.position;
        const before = this.progress.bytesIn;
        await this.tar.write(encodeHeaders(member));
        const result = await this.addContent(fd, member);
        if (result.missing === 0) {
          member.sha256 = result.sha256;
          member.flags = [...changesSince(fd, stats), ...member.flags];
          if (stats.nlink > 1n) this.inodes.set(inodeKey(stats), member);
          return member;
        }
        if (this.tar.rewind(begins)) {
          this.progress.bytesIn = before;
          if (result.error !== undefined) return unreadableReason(result.error);
          if (attempt <= rereads) continue;
          return 'shrank again and again while it was read';
        }
        // Its header is already written and promises `size` bytes: zeros replace the missing ones.
        await this.tar.writeZeros(result.missing + paddedBytes(size) - size);
        return { ...member, sha256: null, flags: ['padded', ...member.flags] };
      }
    } finally {
      closeSync(fd);
    }
  }

  /** Reads the content directly into the compressor's blocks. `missing`: bytes that could not be read. */
  private async addContent(fd: number, member: PackedMember) {
    // A file read in one call, as nearly all are, needs no hash object.
    let hash: Hash | undefined;
    let sha256 = emptySha256;
    member.contentOffset = this.tar.position;
    let left = member.size;
    while (left > 0) {
      this.checkStop();
      const room = await this.tar.room();
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
      this.tar.advance(bytes);
      left -= bytes;
      this.progress.bytesIn += bytes;
      this.progress.bytesOut = this.tar.bytesOut;
    }
    await this.tar.writeZeros(paddedBytes(member.size) - member.size);
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
    const member = this.memberOf(entry, facts, { type: 'link', linkTarget: first.name });
    await this.tar.write(encodeHeaders({ ...member, size: 0 }));
    return { ...member, size: first.size, sha256: first.sha256 };
  }

  private memberOf(
    entry: PlannedMember,
    facts: FileAttributes,
    kind: Pick<PackedMember, 'type' | 'linkTarget'>,
  ): PackedMember {
    return {
      name: entry.name,
      type: kind.type,
      size: kind.type === 'file' ? facts.size : 0,
      mtimeS: facts.mtimeS,
      mtimeNs: facts.mtimeNs,
      mode: facts.mode & 0o7777,
      uid: facts.uid,
      gid: facts.gid,
      dev: facts.dev,
      ino: facts.ino,
      nlink: facts.nlink,
      linkTarget: kind.linkTarget,
      // Another file has replaced the one that the scan saw: it is not a link to the earlier path.
      hardLinkOf: kind.type !== 'link' && isSameInode(facts, entry) ? entry.hardLinkOf : null,
      ctime: entry.ctime,
      sha256: null,
      offset: this.tar.position,
      contentOffset: null,
      flags: kind.type === 'file' && isNewer(facts, entry) ? ['newer'] : [],
    };
  }
}

/** SHA-256 in hex; from Node 20.12 on with one call and no object. */
const sha256Of: (bytes: Buffer) => string =
  'hash' in crypto
    ? (bytes) => crypto.hash('sha256', bytes, 'hex')
    : (bytes) => createHash('sha256').update(bytes).digest('hex');

const emptySha256 = sha256Of(Buffer.alloc(0));

/** The reason for listing a padded file. */
const paddedReason = 'shrank or could not be read to its end; zeros stand for the rest in the archive';
