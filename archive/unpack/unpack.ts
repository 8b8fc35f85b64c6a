import { createHash } from 'node:crypto';
import { ftruncateSync } from 'node:fs';
import { IndexedReader } from '../readers/indexed-reader.js';
import { StreamReader } from '../readers/stream-reader.js';
import { endsInside, type TarSource } from '../readers/tar-source.js';
import { readSparseMap, type SparseMap } from '../tar/sparse-map.js';
import { paddedBytes } from '../tar/tar-records.js';
import { storedBytes } from '../../entry/member.js';
import { RestoreProblem } from './open-folder.js';
import { ArchiveDamaged } from '../readers/archive-file.js';
import { systemErrorCode } from '../../config/failures.js';
import { onSide, onSideSync, sideOf } from '../../config/sides.js';
import { displayName } from '../../entry/byte-string.js';
import { openDecompressor, type Decompressor } from '../blocks/decompressor.js';
import { MemberPlacer } from './member-placer.js';
import { unsafeNameReason, plainName } from '../../entry/member-name.js';
import { writeAll } from '../pack/output-file.js';
import { readEntry, type TarEntry } from '../tar/tar-entry.js';
import { salvageable, salvageStep, salvageText, writeSalvaged } from './salvage.js';
import { TargetTree } from './target-tree.js';
import type { Placed, UnpackOptions, Unpacked, WantedMember } from './unpack-options.js';

/** Thrown when `shouldStop` returns true. */
export class UnpackStopped extends Error {}

/** What was found out about an archive file besides its members. */
export interface ArchiveInfo {
  /** SHA-256 in hex, if it was read completely; otherwise undefined. */
  sha256: string | undefined;
  /** Which parts could not be read, as parts of sentences. */
  unreadable: readonly string[];
}

/**
 * Extracts members of an archive in archive order and verifies each content's SHA-256. A file gets its final name when
 * it is complete; an unreadable member is reported, and the others continue. Everything except decompression is
 * synchronous, so run it in a separate thread.
 */
export class Unpacker {
  /** Bytes of content done so far. */
  bytes = 0;
  private readonly source: TarSource;
  private readonly tree: TargetTree | undefined;
  private readonly placer: MemberPlacer | undefined;
  /** What is said of the files that were salvaged; other names of them are no better. */
  private readonly salvaged = new Map<string, string>();

  /** Throws `FormatUnsupported` where there is no zstd. */
  static async open(options: UnpackOptions, shouldStop: () => boolean): Promise<Unpacker> {
    const { format = 'gzip', codec = 'auto' } = options;
    return new Unpacker(options, shouldStop, await openDecompressor(format, codec));
  }

  private constructor(
    private readonly options: UnpackOptions,
    private readonly shouldStop: () => boolean,
    private readonly decompressor: Decompressor,
  ) {
    const { archivePath, index, target, inFlight } = options;
    this.source =
      index === undefined
        ? new StreamReader(archivePath, decompressor)
        : new IndexedReader(archivePath, decompressor, index, inFlight, target === null);
    try {
      this.tree = onSideSync('target', () =>
        target === null ? undefined : new TargetTree(target, options.job, options.own, options.strip),
      );
    } catch (error) {
      this.source.close();
      throw error;
    }
    this.placer = this.tree === undefined ? undefined : new MemberPlacer(this.tree, options);
  }

  /** What was found out about the archive file itself, when it is read completely for comparison. */
  async archiveInfo(): Promise<ArchiveInfo> {
    if (!(this.source instanceof IndexedReader)) return { sha256: undefined, unreadable: [] };
    const sha256 = this.options.target === null ? await this.source.sha256() : undefined;
    return { sha256, unreadable: this.source.unreadable };
  }

  /** Extracts some members, ascending by offset. Resolves to their results, in the same order. */
  async take(members: readonly WantedMember[]): Promise<Unpacked[]> {
    for (const member of members) {
      const { offset, linkOffset, type } = member;
      const content = type === 'file' ? paddedBytes(storedBytes(member)) : 0;
      if (offset !== linkOffset) this.source.prefetch(offset, offset + content + 1024);
    }
    const taken: Unpacked[] = [];
    for (const member of members) {
      if (this.shouldStop()) throw new UnpackStopped('stopped');
      taken.push(await this.takeOne(member));
    }
    return taken;
  }

  close(): void {
    this.tree?.close();
    this.source.close();
  }

  private async takeOne(member: WantedMember): Promise<Unpacked> {
    const { name } = member;
    try {
      const unsafe = unsafeNameReason(name);
      if (unsafe !== undefined) throw new RestoreProblem(`its name ${unsafe}`);
      if (member.refused !== undefined) throw new RestoreProblem(member.refused);
      // A link that the archive has no header of, since it is newer, has the offset of its file.
      const placed =
        member.offset === member.linkOffset
          ? await this.putLink(member)
          : await this.put(member, await this.entryOf(member));
      if (placed.outcome === 'kept' && this.mayBeSalvaged(member))
        return await this.salvage(member, { name, ...placed, bytes: member.size });
      const mark = this.salvaged.get(member.linkTarget ?? '');
      const marked = mark === undefined ? {} : { reason: mark, salvaged: true as const };
      return { name, ...placed, bytes: member.type === 'file' ? storedBytes(member) : 0, ...marked };
    } catch (error) {
      const result = this.failureOf(name, error);
      // What lies there has the content that cannot be read: nothing is missing.
      const whole = result.damaged === true ? this.placer?.keepWhole(member) : undefined;
      if (whole !== undefined) return { name, ...whole, bytes: 0, damaged: true };
      const isOpen =
        result.damaged === true || (error instanceof RestoreProblem && this.mayBeSalvaged(member));
      const isLast = this.options.lastCopy === true && isOpen;
      return isLast && member.type === 'file' ? this.salvage(member, result) : result;
    }
  }

  /** True when what is in a file's place can be what an earlier attempt or restore has salvaged of it. */
  private mayBeSalvaged(member: WantedMember): boolean {
    return (
      this.options.lastCopy === true &&
      member.refused === undefined &&
      this.placer?.looksLike(member) === true
    );
  }

  /**
   * The last resort for a damaged file: what can be read of it.
   *
   * @param before its result so far, which stands when nothing can be salvaged.
   */
  private async salvage(member: WantedMember, before: Unpacked): Promise<Unpacked> {
    const { placer } = this;
    const { name, size, linkTarget, linkOffset } = member;
    const first = linkTarget === null ? member.offset : linkOffset;
    // A file with holes would lose its map of them.
    if (placer === undefined || first === null || member.storedSize !== undefined) return before;
    const step = salvageStep(this.options);
    const check = () => {
      if (this.shouldStop()) throw new UnpackStopped('stopped');
    };
    try {
      const found = await this.fromStart((source) => salvageable(source, member, first, step, check));
      if (found === undefined) return before;
      const placed = await onSide('target', () =>
        placer.putFile({ ...member, sha256: found.sha256 }, undefined, (fd) =>
          this.fromStart((source) => writeSalvaged(source, found, size, step, fd, check)),
        ),
      );
      const reason = salvageText(member, found);
      if (reason === undefined || placed.outcome === 'kept')
        return { name, ...placed, bytes: size, ...(before.damaged === true ? { damaged: true } : {}) };
      this.salvaged.set(name, reason);
      return { name, ...placed, bytes: size, reason, damaged: true, salvaged: true };
    } catch (error) {
      const later = this.failureOf(name, error);
      if (before.damaged !== true) return before;
      return { ...before, reason: `${before.reason ?? ''}; ${later.reason ?? ''}` };
    }
  }

  /** Reads with another reader, which may be before this one. */
  private async fromStart<Result>(read: (source: TarSource) => Promise<Result>): Promise<Result> {
    const { archivePath, index } = this.options;
    const source =
      index === undefined
        ? new StreamReader(archivePath, this.decompressor)
        : new IndexedReader(archivePath, this.decompressor, index, 2);
    try {
      return await read(source);
    } finally {
      source.close();
    }
  }

  /** Rethrows errors that concern more than this member. */
  private failureOf(name: string, error: unknown): Unpacked {
    if (error instanceof RestoreProblem) return failed(name, error.message);
    if (error instanceof ArchiveDamaged)
      return { ...failed(name, `${this.options.archivePath}: ${error.message}`), damaged: true };
    if (sideOf(error) !== 'target') throw error;
    // A bad spot on the target's disk costs only this file; a disk that accepts nothing fails the attempt.
    if (systemErrorCode(error) === 'EIO') onSideSync('target', () => this.tree?.probe());
    return failed(name, problemOf(error));
  }

  /** The member's headers, which must match the catalog. */
  private async entryOf(member: WantedMember): Promise<TarEntry> {
    const entry = await readEntry(this.source, member.offset);
    if (entry?.type === 'link' && entry.linkTarget !== member.linkTarget)
      throw new ArchiveDamaged(`at byte ${member.offset} is a link to another file than the catalog says`);
    if (entry === undefined) throw new ArchiveDamaged(`it ends before byte ${member.offset}`);
    const sameType = entry.type === member.type || (entry.type === 'link' && member.type === 'file');
    if (
      !sameType ||
      plainName(entry.name) !== plainName(member.name) ||
      (entry.type === 'file' && !isSameSize(entry, member))
    )
      throw new ArchiveDamaged(
        `at byte ${member.offset} is ${entry.type} ${displayName(entry.name)} and not what the catalog says`,
      );
    return entry;
  }

  private async put(member: WantedMember, entry: TarEntry): Promise<Placed> {
    const { placer } = this;
    if (member.type === 'directory') return onSideSync('target', () => placer?.putFolder(member) ?? compared);
    if (member.type === 'symlink')
      return onSide('target', async () => placer?.putSymlink(member) ?? compared);
    const { type } = member;
    if (type !== 'file')
      return onSide(
        'target',
        async () => placer?.putSpecial(member, { type, device: entry.device }) ?? compared,
      );
    if (entry.type === 'link') return this.putLink(member);
    return this.putFile(member, entry, this.source);
  }

  /** Another name of a file in this archive: a link to it if it was restored, or else its content again. */
  private async putLink(member: WantedMember): Promise<Placed> {
    const { linkTarget: of, linkOffset } = member;
    if (of === null || linkOffset === null)
      throw new ArchiveDamaged('the file that it is a link to is not known');
    const { placer } = this;
    if (placer === undefined) return compared;
    // What is in the target can be compared only by the map, if there are holes.
    const withHoles = member.storedSize !== undefined && member.apart !== true;
    const map = withHoles
      ? await this.fromFirst(member, linkOffset, (entry, source) => this.mapOf(entry, source))
      : undefined;
    if (member.apart !== true && onSideSync('target', () => placer.holds(of, member, map)))
      return onSide('target', () => placer.putLink(member, of, map));
    return this.fromFirst(member, linkOffset, (entry, source) => this.putFile(member, entry, source));
  }

  /**
   * Reads the content of a link's target, which is earlier in the archive, where this reader may be past it: so another
   * reader is used.
   */
  private async fromFirst<Result>(
    member: WantedMember,
    first: number,
    read: (entry: TarEntry, source: TarSource) => Promise<Result>,
  ): Promise<Result> {
    return this.fromStart(async (source) => {
      const entry = await readEntry(source, first);
      if (entry?.type !== 'file' || !isSameSize(entry, member))
        throw new ArchiveDamaged(`the file that it is a link to is not at byte ${first}`);
      return read(entry, source);
    });
  }

  private async mapOf(entry: TarEntry, source: TarSource): Promise<SparseMap | undefined> {
    const { size, storedSize, contentOffset } = entry;
    return storedSize === undefined ? undefined : readSparseMap(source, contentOffset, { size, storedSize });
  }

  private async putFile(member: WantedMember, entry: TarEntry, source: TarSource): Promise<Placed> {
    const { placer } = this;
    const map = await this.mapOf(entry, source);
    const content = { offset: entry.contentOffset, map };
    // Errors of the copy on the tape already have a side.
    if (placer !== undefined)
      return onSide('target', () =>
        placer.putFile(member, map, (fd) => this.copy(member, content, source, fd)),
      );
    await this.copy(member, content, source, undefined);
    return compared;
  }

  /** Writes a member's content, with its holes, and verifies its hash. */
  private async copy(
    member: WantedMember,
    { offset, map }: { offset: number; map: SparseMap | undefined },
    source: TarSource,
    fd: number | undefined,
  ): Promise<void> {
    const hash = createHash('sha256');
    if (map !== undefined) hash.update(map.bytes);
    if (map !== undefined && fd !== undefined) ftruncateSync(fd, member.size);
    let at = offset + (map?.bytes.length ?? 0);
    for (const [from, to] of map?.extents ?? [[0, member.size]]) {
      for (let place = from; place < to;) {
        if (this.shouldStop()) throw new UnpackStopped('stopped');
        const chunk = await source.chunkAt(at);
        if (chunk === undefined) throw endsInside(at);
        const begin = at - chunk.start;
        const part = chunk.data.subarray(begin, begin + to - place);
        hash.update(part);
        if (fd !== undefined) writeAll(fd, part, place);
        at += part.length;
        place += part.length;
        this.bytes += part.length;
      }
    }
    if (member.sha256 !== null && hash.digest('hex') !== member.sha256)
      throw new ArchiveDamaged('the content is not what was backed up: its SHA-256 differs');
  }
}

/** True when a member's headers tell the same bytes as the catalog. */
function isSameSize(entry: TarEntry, { size, storedSize }: WantedMember): boolean {
  return entry.size === size && entry.storedSize === storedSize;
}

/** Of a member that is only read: it is what was backed up. */
const compared: Placed = { outcome: 'restored' };

function failed(name: string, reason: string): Unpacked {
  return { name, outcome: 'failed', bytes: 0, reason };
}

/** Errors of the target that concern only this entry; all others (a full disk, a dead mount) fail the attempt. */
const onlyThis: Record<string, string> = {
  EIO: 'the disk of the target fails where it was to be written',
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  ENAMETOOLONG: 'its name or path is too long here',
  EILSEQ: 'the file system of the target refuses this name',
  EINVAL: 'the file system of the target refuses this name or its times',
  ENOTDIR: 'something that is not a folder is in its way',
  ELOOP: 'a symbolic link is in its way',
  ENOENT: 'a folder above it went away',
  EEXIST: 'something else is in its place',
  EISDIR: 'a folder of the target is in its place',
  EFBIG: 'it is larger than the file system of the target allows',
  EMLINK: 'it has more links than the file system of the target allows',
  EOVERFLOW: 'its owner or time does not fit the file system of the target',
};

function problemOf(error: unknown): string {
  const code = systemErrorCode(error) ?? '';
  const words = onlyThis[code];
  if (words === undefined) throw error;
  return `${words} (${code})`;
}
