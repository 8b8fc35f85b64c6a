import type { Addon } from '../../native/addon.js';
import type { Place } from './target-tree.js';
import type { WantedMember } from './unpack-options.js';

/** Bytes of the largest content: what a call costs is nothing beside that of a larger one. */
export const mostContent = 64 * 1024;
/** Most files of a batch, and bytes of their contents and names. */
const mostFiles = 256;
const mostBytes = 512 * 1024;
/** Bytes of a temporary name and a name (`NAME_MAX` of Linux). */
const mostNames = 2 * 255;
/** Numbers that describe a file; `native/src/write_files.rs` has the same order. */
const fieldsPerFile = 9;

/** A file of a batch. */
export interface BatchedFile {
  /** Its place among the members that are taken together. */
  at: number;
  member: WantedMember;
  place: Place;
}

/** Small files that one call of the native part writes. */
export class FileBatch {
  readonly files: BatchedFile[] = [];
  private readonly fields = new Float64Array(mostFiles * fieldsPerFile);
  private readonly bytes = Buffer.allocUnsafeSlow(mostBytes);
  private used = 0;

  /** True when there may be no room left for a file. */
  get isFull(): boolean {
    return this.files.length === mostFiles || this.used + mostContent + mostNames > mostBytes;
  }

  add(file: BatchedFile, part: string, content: Buffer, owner: { uid: number; gid: number }): void {
    const { fields, bytes } = this;
    const { folder, last } = file.place;
    const { mode, mtimeS, mtimeNs } = file.member;
    let at = this.files.length * fieldsPerFile;
    const put = (value: number) => (fields[at++] = value);
    put(folder.fd);
    put(part.length);
    put(last.length);
    put(content.length);
    put(mode);
    put(owner.uid);
    put(owner.gid);
    put(mtimeS);
    put(mtimeNs);
    this.used += bytes.write(part, this.used, 'latin1');
    this.used += bytes.write(last, this.used, 'latin1');
    this.used += content.copy(bytes, this.used);
    this.files.push(file);
  }

  /** Resolves to how many files are done, counted from the first. */
  write(
    writeFiles: NonNullable<Addon['writeFiles']>,
    { owned, replacing }: { owned: boolean; replacing: boolean },
  ): Promise<number> {
    const fields = this.fields.subarray(0, this.files.length * fieldsPerFile);
    return writeFiles(fields, this.bytes.subarray(0, this.used), owned, replacing);
  }

  /** To be filled anew. */
  clear(): void {
    this.files.length = 0;
    this.used = 0;
  }
}
