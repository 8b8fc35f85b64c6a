import { mappedId } from '../../entry/owner-choice.js';
import { type Addon, loadAddon } from '../../native/addon.js';
import { FileBatch, mostContent, type BatchedFile } from './file-batch.js';
import { lookAtPath } from './open-folder.js';
import type { TargetTree } from './target-tree.js';
import type { UnpackOptions, WantedMember } from './unpack-options.js';

/** Batches of which not one file was done, after which no more are tried. */
const mostVain = 3;
/** Batches that are written at once: the system takes longer for a file than all that is done for it here. */
const mostWriting = 2;

/** What becomes of the files of a batch; called in the order in which they were added. */
export interface SmallFileResults {
  /** It is in its place, with everything that it is to have. */
  restored(file: BatchedFile): void;
  /** It is not, and nothing of it is left: it has to be restored by itself, which tells why. */
  left(file: BatchedFile): Promise<void>;
}

/**
 * Restores small files many at a time where nothing is in their places: while the native part writes two batches on
 * libuv's pool, the next one is collected. What a batch does not do is done by itself. A name that is not behind all
 * those that are being written waits for them: of two files with one name, the first is there first.
 */
export class SmallFiles {
  private readonly batches = Array.from({ length: mostWriting + 1 }, () => new FileBatch());
  private filling = this.freeBatch();
  /** In the order in which they were sent. */
  private writing: { batch: FileBatch; count: Promise<number> }[] = [];
  /** The name that was added last. */
  private last = '';
  private vain = 0;

  private constructor(
    private readonly tree: TargetTree,
    private readonly options: Pick<UnpackOptions, 'owners' | 'overwrite'>,
    private readonly writeFiles: NonNullable<Addon['writeFiles']>,
    private readonly results: SmallFileResults,
  ) {}

  /** Undefined where the native part cannot do it. */
  static of(
    tree: TargetTree,
    options: Pick<UnpackOptions, 'owners' | 'overwrite' | 'codec'>,
    results: SmallFileResults,
  ): SmallFiles | undefined {
    const writeFiles = options.codec === 'zlib' ? undefined : loadAddon()?.writeFiles;
    return writeFiles === undefined ? undefined : new SmallFiles(tree, options, writeFiles, results);
  }

  /** True when a file can be added now; else what `makeRoom` waits for comes first. */
  hasRoom({ name }: WantedMember): boolean {
    return name > this.last && !this.filling.isFull;
  }

  /** Has what was added written, and waits until the file can be added. */
  async makeRoom({ name }: WantedMember): Promise<void> {
    if (name > this.last) await this.send();
    else await this.settle();
  }

  /**
   * Adds a file, unless it is full. False, or an error of the target, when it has to be restored by itself, once the
   * others are done.
   *
   * @param at its place among the members that are taken together.
   * @param content what was backed up, by its hash; it is copied.
   */
  add(member: WantedMember, at: number, content: Buffer): boolean {
    const { owners } = this.options;
    const owner = { uid: mappedId(owners.users, member.uid), gid: mappedId(owners.groups, member.gid) };
    if (this.vain >= mostVain || !isSmall(member) || !isId(owner.uid) || !isId(owner.gid)) return false;
    const place = this.tree.place(member.name);
    // What lies in a folder that was made here was put there by this restore.
    if (!place.folder.made && lookAtPath(this.tree.path(place)) !== undefined) return false;
    this.filling.add({ at, member, place }, this.tree.nextPart(), content, owner);
    place.folder.awaited += 1;
    this.last = member.name;
    return true;
  }

  /** Resolves when all files that were added are done. */
  async settle(): Promise<void> {
    await this.send();
    while (this.writing.length > 0) await this.finish();
    this.last = '';
  }

  /** Resolves when nothing is being written; what was added and is not done is forgotten. */
  async stop(): Promise<void> {
    for (const { count } of this.writing) await count;
    for (const batch of this.batches) this.release(batch);
    this.writing = [];
    this.last = '';
  }

  /** Has the added files written, once there is nothing to wait for. */
  private async send(): Promise<void> {
    while (this.writing.length === mostWriting) await this.finish();
    const batch = this.filling;
    if (batch.files.length === 0) return;
    const { owners, overwrite } = this.options;
    const how = { owned: owners.set, replacing: overwrite !== 'never' };
    this.writing.push({ batch, count: batch.write(this.writeFiles, how) });
    this.filling = this.freeBatch();
  }

  /** The first batch that is being written is done. */
  private async finish(): Promise<void> {
    const [first] = this.writing;
    if (first === undefined) return;
    const done = await first.count;
    this.writing.shift();
    this.vain = done === 0 ? this.vain + 1 : 0;
    for (const [number, file] of this.release(first.batch).entries()) {
      if (number < done) this.results.restored(file);
      else await this.results.left(file);
    }
  }

  /** Takes the files out of a batch that is not being written. */
  private release(batch: FileBatch): BatchedFile[] {
    const files = batch.files.slice();
    batch.clear();
    for (const { place } of files) this.tree.release(place.folder);
    return files;
  }

  private freeBatch(): FileBatch {
    return this.batches.find(({ files }) => files.length === 0) ?? new FileBatch();
  }
}

/** True for a file to which nothing belongs but its content, owner, mode and times. */
function isSmall(member: WantedMember): boolean {
  const { size, storedSize, mode, mtimeS, mtimeNs } = member;
  if (member.linkTarget !== null || member.nlink !== 1 || member.attributes !== undefined) return false;
  // Set-user-id and set-group-id depend on the owner that the file has then.
  if (member.damaged === true || storedSize !== undefined || (mode & ~0o1777) !== 0) return false;
  return size <= mostContent && Number.isSafeInteger(mtimeS) && mtimeNs >= 0 && mtimeNs <= 999_999_999;
}

/** True for a number of a user or group; the largest means none. */
function isId(id: number): boolean {
  return Number.isInteger(id) && id >= 0 && id < 0xffff_ffff;
}
