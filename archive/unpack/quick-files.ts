import { unsafeNameReason } from '../../entry/member-name.js';
import type { Chunk } from '../readers/tar-source.js';
import type { IndexedReader } from '../readers/indexed-reader.js';
import type { CheckedFiles } from './checked-files.js';
import type { SmallFiles } from './small-files.js';
import type { WantedMember } from './unpack-options.js';

/**
 * Takes files that lie in one block of the archive and with which nothing is wrong, as nearly all do. They are
 * compared, or restored with others.
 */
export class QuickFiles {
  /** The beginning of a name up to its last `/`, which is safe. */
  private safe = '';

  /**
   * @param small undefined: files are only compared.
   * @param compared called with the place of a file among those that are taken together.
   */
  constructor(
    private readonly reader: IndexedReader,
    private readonly small: SmallFiles | undefined,
    private readonly compared: (member: WantedMember, at: number) => void,
    private readonly checked: CheckedFiles,
  ) {}

  /** Members that are taken together, ascending by offset. */
  begin(members: readonly WantedMember[]): void {
    this.checked.begin(members);
  }

  /**
   * False: nothing was done, and the member has to be taken by itself, which tells what is wrong. A promise only when
   * something has to be awaited, since to await each member takes as long as all else.
   */
  take(member: WantedMember, at: number): boolean | Promise<boolean> {
    const { reader, small } = this;
    const { type, name, offset, linkOffset, refused } = member;
    if (type !== 'file' || offset === linkOffset || refused !== undefined) return false;
    if (!this.isSafe(name)) return false;
    if (small?.hasRoom(member) === false) return small.makeRoom(member).then(() => this.take(member, at));
    const chunk = reader.lastAt(offset);
    if (chunk !== undefined) return this.takeFrom(chunk, member, at);
    return reader.chunkAt(offset).then(
      (read) => read !== undefined && this.takeFrom(read, member, at),
      () => false,
    );
  }

  private takeFrom(chunk: Chunk, member: WantedMember, at: number): boolean {
    try {
      const content = this.checked.content(chunk, member, at);
      if (content === undefined) return false;
      if (this.small !== undefined) return this.small.add(member, at, content);
      this.compared(member, at);
      return true;
    } catch {
      return false;
    }
  }

  /** As `unsafeNameReason`, but looks only once at the folders of files that follow each other. */
  private isSafe(name: string): boolean {
    const last = name.lastIndexOf('/') + 1;
    if (last > 0 && last === this.safe.length && name.startsWith(this.safe))
      return last < name.length && unsafeNameReason(name.slice(last)) === undefined;
    if (unsafeNameReason(name) !== undefined) return false;
    this.safe = name.slice(0, last);
    return true;
  }

  /** Resolves when all files that were taken are in their places. */
  async settle(): Promise<void> {
    await this.small?.settle();
  }

  /** Resolves when nothing is being written any more. */
  async stop(): Promise<void> {
    await this.small?.stop();
  }
}
