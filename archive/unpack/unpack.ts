import { IndexedReader } from '../readers/indexed-reader.js';
import { StreamReader } from '../readers/stream-reader.js';
import type { TarSource } from '../readers/tar-source.js';
import { readSparseMap, type SparseMap } from '../tar/sparse-map.js';
import { paddedBytes } from '../tar/tar-records.js';
import { storedBytes } from '../../entry/member.js';
import { RestoreProblem } from './open-folder.js';
import { ArchiveDamaged } from '../readers/archive-file.js';
import { onSide, onSideSync } from '../../config/sides.js';
import { openDecompressor, type Decompressor } from '../blocks/decompressor.js';
import { copyContent, type CopyWork } from './copy-content.js';
import { withUnset } from './existing-entries.js';
import { failureOf } from './member-failure.js';
import { entryOf, isSameSize } from './member-entry.js';
import { CheckedFiles } from './checked-files.js';
import { MemberPlacer } from './member-placer.js';
import { unsafeNameReason } from '../../entry/member-name.js';
import { readEntry, type TarEntry } from '../tar/tar-entry.js';
import { loadAddon } from '../../native/addon.js';
import { english } from '../../messages/sentence.js';
import { Salvager } from './salvager.js';
import { QuickFiles } from './quick-files.js';
import { SmallFiles } from './small-files.js';
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
  /** The source, if it reads by an index. */
  private readonly reader: IndexedReader | undefined;
  private readonly tree: TargetTree | undefined;
  private readonly placer: MemberPlacer | undefined;
  private readonly salvager: Salvager | undefined;
  private readonly quick: QuickFiles | undefined;
  /** Results of the members that are being taken. */
  private taken: Unpacked[] = [];
  private readonly work: CopyWork = {
    check: () => {
      if (this.shouldStop()) throw new UnpackStopped('stopped');
    },
    done: (bytes) => void (this.bytes += bytes),
  };

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
    const { archivePath, index, target, inFlight, opened } = options;
    if (index !== undefined)
      this.reader = new IndexedReader(archivePath, decompressor, index, inFlight, target === null, opened);
    this.source = this.reader ?? new StreamReader(archivePath, decompressor, false, opened);
    try {
      this.tree = onSideSync('target', () =>
        target === null ? undefined : new TargetTree(target, options.job, options.own, options.strip),
      );
    } catch (error) {
      this.source.close();
      throw error;
    }
    const done = (member: WantedMember, at: number) => this.done(member, at);
    const checked = new CheckedFiles(options.codec === 'zlib' ? undefined : loadAddon()?.checkFiles);
    if (this.tree === undefined) {
      if (this.reader !== undefined) this.quick = new QuickFiles(this.reader, undefined, done, checked);
      return;
    }
    this.placer = new MemberPlacer(this.tree, options);
    const small = SmallFiles.of(this.tree, options, {
      restored: ({ member, at }) => this.done(member, at),
      left: async ({ member, at }) => void (this.taken[at] = await this.takeOne(member)),
    });
    if (this.reader !== undefined && small !== undefined)
      this.quick = new QuickFiles(this.reader, small, done, checked);
    this.salvager = new Salvager(options, this.placer, {
      fromStart: (read) => this.fromStart(read),
      check: () => this.work.check(),
      failureOf: (name, error) => this.failureOf(name, error),
    });
  }

  /** What was found out about the archive file itself, when it is read completely for comparison. */
  async archiveInfo(): Promise<ArchiveInfo> {
    if (this.reader === undefined) return { sha256: undefined, unreadable: [] };
    const sha256 = this.options.target === null ? await this.reader.sha256() : undefined;
    return { sha256, unreadable: this.reader.unreadable };
  }

  /** Extracts some members, ascending by offset. Resolves to their results, in the same order. */
  async take(members: readonly WantedMember[]): Promise<Unpacked[]> {
    for (const member of members) {
      const { offset, linkOffset, type } = member;
      const content = type === 'file' ? paddedBytes(storedBytes(member)) : 0;
      if (offset !== linkOffset) this.source.prefetch(offset, offset + content + 1024);
    }
    const taken: Unpacked[] = (this.taken = []);
    this.quick?.begin(members);
    try {
      for (const [at, member] of members.entries()) {
        this.work.check();
        const quick = this.quick?.take(member, at);
        if ((quick instanceof Promise ? await quick : quick) === true) continue;
        // What a member is a link to is there before it.
        if (member.linkOffset !== null) await this.quick?.settle();
        taken[at] = await this.takeOne(member);
      }
      await this.quick?.settle();
    } finally {
      await this.quick?.stop();
    }
    return taken;
  }

  close(): void {
    this.tree?.close();
    this.source.close();
  }

  /** A file is restored, or compared. */
  private done(member: WantedMember, at: number): void {
    this.bytes += member.size;
    this.taken[at] = { name: member.name, outcome: 'restored', bytes: member.size };
  }

  private async takeOne(member: WantedMember): Promise<Unpacked> {
    const { salvager } = this;
    const { name } = member;
    try {
      const unsafe = unsafeNameReason(name);
      if (unsafe !== undefined) throw new RestoreProblem(english`its name ${unsafe}`);
      if (member.refused !== undefined) throw new RestoreProblem(member.refused);
      // A link that the archive has no header of, since it is newer, has the offset of its file.
      const placed =
        member.offset === member.linkOffset
          ? await this.putLink(member)
          : await this.put(member, await entryOf(this.source, member));
      if (placed.outcome === 'kept' && salvager?.mayLieThere(member) === true)
        return await salvager.salvage(member, { name, ...placed, bytes: member.size });
      const mark = salvager?.reasonOf(member);
      const marked = mark === undefined ? {} : { reason: mark, salvaged: true as const };
      return { name, ...placed, bytes: member.type === 'file' ? storedBytes(member) : 0, ...marked };
    } catch (error) {
      const result = this.failureOf(name, error);
      // What lies there has the content that cannot be read: nothing is missing.
      const whole = result.damaged === true ? this.placer?.existing.keepWhole(member) : undefined;
      if (whole !== undefined) return { name, ...whole, bytes: storedBytes(member), damaged: true };
      if (salvager === undefined || this.options.lastCopy !== true || member.type !== 'file') return result;
      const isOpen =
        result.damaged === true || (error instanceof RestoreProblem && salvager.mayLieThere(member));
      return isOpen ? salvager.salvage(member, result) : result;
    }
  }

  /** Reads with another reader, which may be before this one. */
  private async fromStart<Result>(read: (source: TarSource) => Promise<Result>): Promise<Result> {
    const { archivePath, index, opened } = this.options;
    const source =
      index === undefined
        ? new StreamReader(archivePath, this.decompressor, false, opened)
        : new IndexedReader(archivePath, this.decompressor, index, 2, false, opened);
    try {
      return await read(source);
    } finally {
      source.close();
    }
  }

  private failureOf(name: string, error: unknown): Unpacked {
    return failureOf(name, error, this.options.shown ?? this.options.archivePath, () =>
      onSideSync('target', () => this.tree?.probe()),
    );
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
      throw new ArchiveDamaged(english`the file that it is a link to is not known`);
    const { placer } = this;
    if (placer === undefined) return compared;
    // What is in the target can be compared only by the map, if there are holes.
    const withHoles = member.storedSize !== undefined && member.apart !== true;
    const map = withHoles
      ? await this.fromFirst(member, linkOffset, (entry, source) => this.mapOf(entry, source))
      : undefined;
    const copy = () =>
      this.fromFirst(member, linkOffset, (entry, source) => this.putFile(member, entry, source));
    if (member.apart === true || !onSideSync('target', () => placer.holds(of, member, map))) return copy();
    const linked = await onSide('target', () => placer.putLink(member, of, map));
    if (linked !== undefined) return linked;
    const placed = await copy();
    return withUnset(placed, [...(placed.unset ?? []), 'link']);
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
        throw new ArchiveDamaged(english`the file that it is a link to is not at byte ${first}`);
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
    const place = { offset: entry.contentOffset, map };
    const copy = (fd?: number) => copyContent(member, place, source, fd, this.work);
    // Errors of the copy on the tape already have a side.
    if (placer !== undefined) return onSide('target', () => placer.putFile(member, map, copy));
    await copy();
    return compared;
  }
}

/** Of a member that is only read: it is what was backed up. */
const compared: Placed = { outcome: 'restored' };
