import { mappedId } from '../../entry/owner-choice.js';
import { type Addon, loadAddon } from '../../native/addon.js';
import { FileBatch, mostContent, type BatchedFile } from './file-batch.js';
import { lookAtPath } from './open-folder.js';
import type { TargetTree } from './target-tree.js';
import type { UnpackOptions, WantedMember } from './unpack-options.js';

/** Batches of which not one file was done, after which no more are tried. */
const mostVain = 3;

/** What becomes of the files of a batch; called in the order in which they were added. */
export interface SmallFileResults {
  /** It is in its place, with everything that it is to have. */
  restored(file: BatchedFile): void;
  /** It is not, and nothing of it is left: it has to be restored by itself, which tells why. */
  left(file: BatchedFile): Promise<void>;
}

/**
 * Restores small files many at a time where nothing is in their places: while the native part writes some on libuv's
 * pool, the next are collected. They are written in their order, and what a batch does not do is done by itself.
 */
export class SmallFiles {
  private filling = new FileBatch();
  private spare = new FileBatch();
  private writing: { batch: FileBatch; count: Promise<number> } | undefined;
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

  /** True when a file must be sent before another can be added. */
  get isFull(): boolean {
    return this.filling.isFull;
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
    return true;
  }

  /** Has the added files written, once those before them are done. */
  async send(): Promise<void> {
    await this.finish();
    const batch = this.filling;
    if (batch.files.length === 0) return;
    const { owners, overwrite } = this.options;
    const how = { owned: owners.set, replacing: overwrite !== 'never' };
    this.writing = { batch, count: batch.write(this.writeFiles, how) };
    this.filling = this.spare;
    this.spare = batch;
  }

  /** Resolves when all files that were added are done. */
  async settle(): Promise<void> {
    await this.send();
    await this.finish();
  }

  /** Resolves when nothing is being written; what was added and not sent is forgotten. */
  async stop(): Promise<void> {
    await this.writing?.count;
    for (const { files } of [this.filling, this.spare])
      for (const { place } of files) this.tree.release(place.folder);
    this.filling.clear();
    this.spare.clear();
    this.writing = undefined;
  }

  private async finish(): Promise<void> {
    if (this.writing === undefined) return;
    const { batch, count } = this.writing;
    const done = await count;
    this.writing = undefined;
    this.vain = done === 0 ? this.vain + 1 : 0;
    const files = batch.files.slice();
    batch.clear();
    for (const { place } of files) this.tree.release(place.folder);
    for (const [number, file] of files.entries()) {
      if (number < done) this.results.restored(file);
      else await this.results.left(file);
    }
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
