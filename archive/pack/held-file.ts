import { closeSync, fstatSync } from 'node:fs';
import { sourcePathOf } from '../../entry/member-name.js';
import type { CodecChoice } from '../../entry/archive-format.js';
import type { HeldContent, PlannedMember, UnchangedMember } from '../../entry/member.js';
import type { ContentHash } from './content-hash.js';
import { attributesOfOpen, type ReadAttributes } from './read-attributes.js';
import { holesOf } from './holes.js';
import {
  attributesOf,
  inodeKey,
  isNewer,
  isSameInode,
  isSystemError,
  isTouched,
  openFile,
  SkipEntry,
} from './source-file.js';

/** Files of which an earlier archive may hold the content: compared by reading them. */
export class HeldFiles {
  /** By inode with several names: the SHA-256 of its content. */
  private readonly hashes = new Map<string, string>();

  /** @param choice how holes are found; see `dataExtents`. */
  constructor(
    private readonly choice: CodecChoice,
    private readonly content: ContentHash,
  ) {}

  /**
   * The line for a file whose content is what the earlier archive holds; undefined when it is another one, or in any
   * doubt: then it is stored, and whatever is wrong with it shows there. Its owner, mode and times are those that the
   * scan saw: if they have changed since, the next set sees that by its ctime.
   */
  async same(entry: PlannedMember & { held: HeldContent }): Promise<UnchangedMember | undefined> {
    const now = await this.contentOf(entry);
    if (now === undefined || now.sha256 !== entry.held.sha256 || now.lacks !== undefined) return undefined;
    const { name, size, mtimeS, mtimeNs, mode, uid, gid, dev, ino, nlink, hardLinkOf, ctime, held } = entry;
    const { attributes } = now;
    const facts = { name, size, mtimeS, mtimeNs, mode, uid, gid, dev, ino, nlink, hardLinkOf, ctime };
    return { ...facts, ...(attributes === undefined ? {} : { attributes }), ...held };
  }

  /**
   * The SHA-256 of a file's content in hex, with holes where the earlier archive has them, and its attributes;
   * undefined when it is not what the scan saw, or cannot be read.
   */
  private async contentOf(
    entry: PlannedMember & { held: HeldContent },
  ): Promise<(ReadAttributes & { sha256: string }) | undefined> {
    let fd: number | undefined;
    try {
      const path = sourcePathOf(entry.name, process.platform);
      fd = openFile(entry, path);
      const before = fstatSync(fd, { bigint: true });
      const facts = attributesOf(before);
      if (!before.isFile() || !isSameInode(facts, entry) || isNewer(facts, entry)) return undefined;
      const found = attributesOfOpen(fd);
      const { storedSize } = entry.held;
      const holes =
        storedSize === undefined ? undefined : holesOf(fd, before, this.choice, this.content.moved);
      if (holes?.storedSize !== storedSize) return undefined;
      const key = before.nlink > 1n ? `${inodeKey(before)}:${storedSize}` : undefined;
      const known = key === undefined ? undefined : this.hashes.get(key);
      if (known !== undefined) return { ...found, sha256: known };
      const sha256 = await this.content.read(fd, entry.size, holes);
      const after = fstatSync(fd, { bigint: true });
      if (isTouched(after, before)) return undefined;
      if (sha256 === undefined) return undefined;
      if (key !== undefined) this.hashes.set(key, sha256);
      return { ...found, sha256 };
    } catch (error) {
      // Storing it meets the same error, and says it.
      if (error instanceof SkipEntry || isSystemError(error)) return undefined;
      throw error;
    } finally {
      if (fd !== undefined) closeSync(fd);
    }
  }
}
