import { createHash } from 'node:crypto';
import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  futimesSync,
  lchownSync,
  linkSync,
  lutimesSync,
  openSync,
  readSync,
  renameSync,
  symlinkSync,
  readlinkSync,
  unlinkSync,
} from 'node:fs';
import {
  ArchiveDamaged,
  IndexedReader,
  StreamReader,
  endsInside,
  heldContent,
  type TarSource,
} from './block-reader.js';
import { toBytes, toText } from './byte-string.js';
import { openDecompressor, type Decompressor } from './decompressor.js';
import { FileBatches, type BatchedFile } from './file-batches.js';
import { fileTime, timeNs } from './file-time.js';
import { unsafeName } from './member-name.js';
import { writeAll } from './output-file.js';
import { readEntry, type TarEntry } from './tar-entry.js';
import { paddedBytes } from './tar-header.js';
import { RestoreProblem, TargetTree, lookAtPath, type Place } from './target-tree.js';
import type { UnpackOptions, Unpacked, WantedMember } from './unpack-options.js';

/** Thrown when `shouldStop` says so. */
export class UnpackStopped extends Error {}

/** Batches of small files that are written at once, while another one is filled. */
const batchesAtOnce = 3;

/** Nanoseconds by which a restored time may be off: see `fileTime`. */
const timeError = (member: WantedMember) => (member.mtimeS < 0 ? 1_000_000n : 2000n);

/**
 * Takes members out of an archive, in their order there, and checks each content against its SHA-256. A file gets its name
 * when it is whole; a member that cannot be had is reported, and the others go on. Everything but decompressing
 * and the batches of small files is synchronous, so it belongs in a thread of its own.
 */
export class Unpacker {
  /** Bytes of content done so far. */
  bytes = 0;
  private readonly source: TarSource;
  private readonly tree: TargetTree | undefined;
  private readonly batches: FileBatches | undefined;
  /** What became of the members from number `reported` on; undefined for those in a batch. */
  private results: (Unpacked | undefined)[] = [];
  private reported = 0;
  /** Members with several links that are in their places now. */
  private readonly placed = new Set<string>();

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
    const { archivePath, index, target, inFlight, owners, codec } = options;
    this.source =
      index === undefined
        ? new StreamReader(archivePath, decompressor)
        : new IndexedReader(archivePath, decompressor, index, inFlight, target === null);
    try {
      this.tree = target === null ? undefined : new TargetTree(target, options.undescribed, options.job);
    } catch (error) {
      this.source.close();
      throw error;
    }
    if (codec === 'zlib') return;
    this.batches = FileBatches.open({
      ...{ tree: this.tree, owners, mostBatches: batchesAtOnce },
      done: (file) => this.noteBatched(file),
      left: (file, content) => this.putLeft(file, content),
    });
  }

  /** SHA-256 of the archive file in hex, when it was read whole to compare it; undefined when it was not. */
  async archiveSha256(): Promise<string | undefined> {
    return this.options.target === null && this.source instanceof IndexedReader
      ? this.source.sha256()
      : undefined;
  }

  /**
   * Takes out some members, ascending by their offset. Resolves to what became of them and of earlier ones, in their order,
   * as far as it is known: the last ones may still be on their way.
   */
  async take(members: readonly WantedMember[]): Promise<Unpacked[]> {
    for (const { offset, size, type } of members)
      this.source.expect(offset, offset + (type === 'file' ? paddedBytes(size) : 0) + 1024);
    for (const member of members) {
      if (this.shouldStop()) throw new UnpackStopped('stopped');
      const no = this.reported + this.results.push(undefined) - 1;
      await this.takeOne(member, no, async () => this.put(member, no, await this.entryOf(member)));
    }
    return this.known();
  }

  /** What became of those that were on their way. */
  async finish(): Promise<Unpacked[]> {
    await this.batches?.settle();
    return this.known();
  }

  /** Also where one of the others has failed. */
  async close(): Promise<void> {
    await this.batches?.abandon();
    this.source.close();
    this.tree?.close();
  }

  private known(): Unpacked[] {
    const end = this.results.indexOf(undefined);
    const known = this.results.splice(0, end === -1 ? this.results.length : end) as Unpacked[];
    this.reported += known.length;
    return known;
  }

  /** Notes what became of a member, unless it is in a batch now. */
  private async takeOne(
    member: WantedMember,
    no: number,
    put: () => Promise<Unpacked['outcome'] | undefined>,
  ): Promise<void> {
    const { name } = member;
    try {
      const unsafe = unsafeName(name);
      if (unsafe !== undefined) throw new RestoreProblem(`its name ${unsafe}`);
      const outcome = await put();
      if (outcome === undefined) return;
      this.results[no - this.reported] = { name, outcome, bytes: member.type === 'file' ? member.size : 0 };
    } catch (error) {
      this.results[no - this.reported] = this.failureOf(name, error);
    }
  }

  /** Throws the error again when it concerns more than this member. */
  private failureOf(name: string, error: unknown): Unpacked {
    if (error instanceof RestoreProblem) return failed(name, error.message);
    if (error instanceof ArchiveDamaged)
      return { ...failed(name, `${this.options.archivePath}: ${error.message}`), damaged: true };
    return failed(name, problemOf(error));
  }

  private noteBatched({ member: { name, size }, no }: BatchedFile): void {
    this.bytes += size;
    this.results[no - this.reported] = { name, outcome: 'restored', bytes: size };
  }

  /** What a batch could not do is done by itself, and so finds out why. */
  private putLeft({ member, no }: BatchedFile, content: Buffer): Promise<void> {
    return this.takeOne(member, no, () => this.putFile(member, 0, heldContent(content)));
  }

  /** The member's headers, which must say what the catalog says. */
  private async entryOf(member: WantedMember): Promise<TarEntry> {
    const entry = await readEntry(this.source, member.offset);
    if (entry?.type === 'link' && entry.linkTarget !== member.linkTarget)
      throw new ArchiveDamaged(`at byte ${member.offset} is a link to another file than the catalog says`);
    if (entry === undefined) throw new ArchiveDamaged(`it ends before byte ${member.offset}`);
    const sameType = entry.type === member.type || (entry.type === 'link' && member.type === 'file');
    const plain = (name: string) => name.replace(/\/$/, '');
    if (
      !sameType ||
      plain(entry.name) !== plain(member.name) ||
      (entry.type === 'file' && entry.size !== member.size)
    )
      throw new ArchiveDamaged(
        `at byte ${member.offset} is ${entry.type} ${toText(entry.name)} and not what the catalog says`,
      );
    return entry;
  }

  /** Undefined when the member is in a batch now. */
  private async put(
    member: WantedMember,
    no: number,
    entry: TarEntry,
  ): Promise<Unpacked['outcome'] | undefined> {
    if (member.type === 'directory') return this.putFolder(member);
    if (member.type === 'symlink') return this.putSymlink(member);
    if (entry.type === 'link') return this.putLink(member);
    const { batches, tree } = this;
    if (batches?.takes(member) === true) {
      const place = tree?.place(member.name);
      // What is there is for `putFile` to look at.
      if (place === undefined || tree === undefined || isFree(tree, place)) {
        await batches.add({ member, no, place }, entry.contentOffset, this.source);
        return undefined;
      }
    }
    return this.putFile(member, entry.contentOffset, this.source);
  }

  /** Its mode, owner and times are set at the end of the restore, when nothing is put into it any more. */
  private putFolder({ name }: WantedMember): Unpacked['outcome'] {
    return this.tree?.folder(name.replace(/\/$/, '')).made === false ? 'same' : 'restored';
  }

  private async putSymlink(member: WantedMember): Promise<Unpacked['outcome']> {
    if (this.tree === undefined) return 'restored';
    const target = toBytes(member.linkTarget ?? '');
    const place = this.tree.place(member.name);
    const path = this.tree.path(place);
    if (!place.folder.made) {
      const there = lookAtPath(path);
      if (there?.isSymbolicLink() === true && readlinkSync(path, 'buffer').equals(target)) return 'same';
      const kept = this.mayReplace(member, there);
      if (kept !== undefined) return kept;
    }
    await this.putWhole(this.tree, path, (part) => {
      symlinkSync(target, part);
      if (this.options.owners) lchownSync(part, member.uid, member.gid);
      lutimesSync(part, fileTime(member), fileTime(member));
    });
    return 'restored';
  }

  /** A second name of a file of this archive: a link to it, if it was restored; else its content, once more. */
  private async putLink(member: WantedMember): Promise<Unpacked['outcome']> {
    const { linkTarget: of, linkOffset } = member;
    if (of === null || linkOffset === null)
      throw new ArchiveDamaged('the file that it is a link to is not known');
    if (this.tree === undefined) return 'restored';
    if (!this.placed.has(of)) return this.putContentOf(member, linkOffset);
    const place = this.tree.place(member.name);
    const path = this.tree.path(place);
    const existing = this.tree.existing(of);
    const there = place.folder.made ? undefined : lookAtPath(path);
    if (there !== undefined) {
      if (there.ino === lookAtPath(existing)?.ino) return 'same';
      const kept = this.mayReplace(member, there);
      if (kept !== undefined) return kept;
    }
    await this.putWhole(this.tree, path, (part) => linkSync(existing, part));
    return 'restored';
  }

  /** The content lies before this member in the archive, where this reader may be past it: it is read by another. */
  private async putContentOf(member: WantedMember, first: number): Promise<Unpacked['outcome']> {
    const { archivePath, index } = this.options;
    const source =
      index === undefined
        ? new StreamReader(archivePath, this.decompressor)
        : new IndexedReader(archivePath, this.decompressor, index, 2);
    try {
      const entry = await readEntry(source, first);
      if (entry?.type !== 'file' || entry.size !== member.size)
        throw new ArchiveDamaged(`the file that it is a link to is not at byte ${first}`);
      return await this.putFile(member, entry.contentOffset, source);
    } finally {
      source.close();
    }
  }

  private async putFile(
    member: WantedMember,
    contentOffset: number,
    source: TarSource,
  ): Promise<Unpacked['outcome']> {
    if (this.tree === undefined) {
      await this.copy(member, contentOffset, source, undefined);
      return 'restored';
    }
    const place = this.tree.place(member.name);
    const path = this.tree.path(place);
    if (!place.folder.made) {
      const there = lookAtPath(path);
      if (there !== undefined && isSameFile(path, member, there)) {
        this.noteLink(member);
        return 'same';
      }
      const kept = this.mayReplace(member, there);
      if (kept !== undefined) return kept;
    }
    await this.putWhole(this.tree, path, async (part) => {
      const fd = openSync(part, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
      try {
        await this.copy(member, contentOffset, source, fd);
        // The owner first: a change of owner takes the set-user-id bit away.
        if (this.options.owners) fchownSync(fd, member.uid, member.gid);
        fchmodSync(fd, member.mode);
        futimesSync(fd, fileTime(member), fileTime(member));
      } finally {
        closeSync(fd);
      }
    });
    this.noteLink(member);
    return 'restored';
  }

  private noteLink({ name, nlink }: WantedMember): void {
    if (nlink > 1) this.placed.add(name);
  }

  /** Writes a member's content and compares its hash. */
  private async copy(
    member: WantedMember,
    contentOffset: number,
    source: TarSource,
    fd: number | undefined,
  ): Promise<void> {
    const hash = createHash('sha256');
    let at = contentOffset;
    const end = contentOffset + member.size;
    while (at < end) {
      if (this.shouldStop()) throw new UnpackStopped('stopped');
      const chunk = await source.chunkAt(at);
      if (chunk === undefined) throw endsInside(at);
      const part = chunk.data.subarray(at - chunk.start, end - chunk.start);
      hash.update(part);
      if (fd !== undefined) writeAll(fd, part);
      at += part.length;
      this.bytes += part.length;
    }
    if (member.sha256 !== null && hash.digest('hex') !== member.sha256)
      throw new ArchiveDamaged('the content is not what was backed up: its SHA-256 differs');
  }

  /** Undefined when the member may take the place of what is there; throws when it must not. */
  private mayReplace(
    member: WantedMember,
    there: ReturnType<typeof lookAtPath>,
  ): Unpacked['outcome'] | undefined {
    if (there === undefined) return undefined;
    if (there.isDirectory()) throw new RestoreProblem('a folder of the target is in its place');
    if (this.options.overwrite === 'always') return undefined;
    if (this.options.overwrite === 'never')
      throw new RestoreProblem('something else is in its place already (see --overwrite)');
    return timeNs(member) > there.mtimeNs ? undefined : 'kept';
  }

  /** Makes an entry under another name, and gives it its own when it is whole; nothing is left of one that fails. */
  private async putWhole(
    tree: TargetTree,
    path: Buffer,
    make: (part: Buffer) => void | Promise<void>,
  ): Promise<void> {
    const part = tree.partBeside(path);
    try {
      await make(part);
      this.publish(part, path);
    } catch (error) {
      removeQuietly(part);
      throw error;
    }
  }

  /** Gives a whole file its name. Without leave to overwrite, nothing that came there meanwhile is replaced. */
  private publish(part: Buffer, path: Buffer): void {
    if (this.options.overwrite === 'never') {
      try {
        linkSync(part, path);
        unlinkSync(part);
        return;
      } catch (error) {
        const code = (error as NodeJS.ErrnoException).code;
        if (code === 'EEXIST') throw new RestoreProblem('something else came into its place meanwhile');
        // A file system without hard links, or a link that may not be linked.
        if (lookAtPath(path) !== undefined) throw error;
      }
    }
    renameSync(part, path);
  }
}

function isFree(tree: TargetTree, place: Place): boolean {
  return place.folder.made || lookAtPath(tree.path(place)) === undefined;
}

function failed(name: string, reason: string): Unpacked {
  return { name, outcome: 'failed', bytes: 0, reason };
}

/** Errors that concern this one entry; every other one (a full disk, a dead mount) fails the attempt. */
const onlyThis: Record<string, string> = {
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  ENAMETOOLONG: 'its name or path is too long here',
  EILSEQ: 'the file system of the target refuses this name',
  EINVAL: 'the file system of the target refuses this name or its times',
  ENOTDIR: 'something that is no folder stands in its way',
  ENOENT: 'a folder above it went away',
  EEXIST: 'something else is in its place',
  EISDIR: 'a folder of the target is in its place',
  EFBIG: 'it is larger than the file system of the target allows',
  EMLINK: 'it has more links than the file system of the target allows',
  EOVERFLOW: 'its owner or time does not fit the file system of the target',
};

function problemOf(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  const words = onlyThis[code];
  if (words === undefined) throw error;
  return `${words} (${code})`;
}

/** True when the file at a path is the member already: its time, and its bytes. */
function isSameFile(
  path: Buffer,
  member: WantedMember,
  there: NonNullable<ReturnType<typeof lookAtPath>>,
): boolean {
  if (!there.isFile() || Number(there.size) !== member.size || member.sha256 === null) return false;
  const apart = there.mtimeNs - timeNs(member);
  if (apart > timeError(member) || apart < -timeError(member)) return false;
  const fd = openSync(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0));
  try {
    const hash = createHash('sha256');
    const buffer = Buffer.allocUnsafe(256 * 1024);
    for (;;) {
      const bytes = readSync(fd, buffer, 0, buffer.length, null);
      if (bytes === 0) break;
      hash.update(buffer.subarray(0, bytes));
    }
    return hash.digest('hex') === member.sha256;
  } finally {
    closeSync(fd);
  }
}

function removeQuietly(path: Buffer): void {
  try {
    unlinkSync(path);
  } catch {
    // It was not made, or it has its final name.
  }
}
