import { toBytes } from '../../entry/byte-string.js';
import type { Addon } from '../../native/addon.js';
import type { Chunk } from '../readers/tar-source.js';
import { recordBytes } from '../tar/tar-records.js';
import { contentIn } from './member-entry.js';
import type { WantedMember } from './unpack-options.js';

/** Files of one call, at most. */
const mostFiles = 256;
/** Numbers that describe a file; `native/src/check_files.rs` has the same order. */
const fieldsPerFile = 8;
/** Characters of a SHA-256 in hex. */
const hexChars = 64;

/**
 * Finds the contents of files that lie in one piece of an archive, and checks them: many by one call of the native
 * part, and what that does not know one by one.
 */
export class CheckedFiles {
  private readonly fields = new Float64Array(mostFiles * fieldsPerFile);
  private members: readonly WantedMember[] = [];
  /** The members that were found to be good, all in one piece: from one place on, and before another. */
  private good = { from: 0, to: 0 };
  private piece: Chunk | undefined;
  /** Files of the next call: few after one that it did not know, since the next may be like it. */
  private next = mostFiles;

  /** @param checkFiles undefined where there is no native part: each file is checked by itself. */
  constructor(private readonly checkFiles: Addon['checkFiles']) {}

  /** Members that are taken together, ascending by offset. */
  begin(members: readonly WantedMember[]): void {
    this.members = members;
    this.good = { from: 0, to: 0 };
  }

  /**
   * The content of a file, if it lies in a piece with its headers and is as the catalog says; undefined where it is
   * not. Throws `ArchiveDamaged`.
   *
   * @param at its place among the members.
   */
  content(piece: Chunk, member: WantedMember, at: number): Buffer | undefined {
    if (!this.isGood(piece, at)) return contentIn(piece, member);
    const from = contentPlace(piece, member);
    return piece.data.subarray(from, from + member.size);
  }

  private isGood(piece: Chunk, at: number): boolean {
    if (this.checkFiles === undefined) return false;
    if (piece !== this.piece || at < this.good.from || at >= this.good.to) this.check(piece, at);
    return at < this.good.to;
  }

  /** Checks the files from a place on, as far as they lie in the piece. */
  private check(piece: Chunk, from: number): void {
    const { fields, members } = this;
    let names = '';
    let hashes = '';
    let field = 0;
    let to = from;
    for (; to < from + this.next; to += 1) {
      const member = members[to];
      if (member === undefined || !isPlainFile(member) || member.offset < piece.start) break;
      if (contentPlace(piece, member) + member.size > piece.data.length) break;
      names += member.name;
      hashes += member.sha256;
      fields[field++] = member.offset - piece.start;
      fields[field++] = member.name.length;
      fields[field++] = member.size;
      fields[field++] = member.mode;
      fields[field++] = member.uid;
      fields[field++] = member.gid;
      fields[field++] = member.mtimeS;
      fields[field++] = member.mtimeNs;
    }
    const given = fields.subarray(0, field);
    const count =
      to === from ? 0 : (this.checkFiles?.(piece.data, given, toBytes(names), toBytes(hashes)) ?? 0);
    this.piece = piece;
    this.good = { from, to: from + count };
    this.next = from + count < to ? 1 : Math.min(2 * this.next, mostFiles);
  }
}

/** True for a file whose headers may be such as the native part knows. */
function isPlainFile(member: WantedMember): member is WantedMember & { sha256: string } {
  const { type, sha256, linkTarget, storedSize, attributes } = member;
  if (type !== 'file' || sha256?.length !== hexChars || linkTarget !== null) return false;
  return storedSize === undefined && attributes === undefined;
}

/** Where the content of a plain file begins in a piece: behind its header, and that of a time with a fraction. */
function contentPlace(piece: Chunk, { offset, mtimeNs }: WantedMember): number {
  return offset - piece.start + (mtimeNs === 0 ? 1 : 3) * recordBytes;
}
