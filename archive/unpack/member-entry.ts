import { displayName } from '../../entry/byte-string.js';
import { plainName } from '../../entry/member-name.js';
import { sha256Of } from '../pack/content-hash.js';
import { ArchiveDamaged } from '../readers/archive-file.js';
import type { Chunk, TarSource } from '../readers/tar-source.js';
import { encodePlain } from '../tar/plain-header.js';
import { entryIn, readEntry, type TarEntry } from '../tar/tar-entry.js';
import { english } from '../../messages/sentence.js';
import type { WantedMember } from './unpack-options.js';

/** The member's headers. Throws `ArchiveDamaged` when they do not match the catalog. */
export async function entryOf(source: TarSource, member: WantedMember): Promise<TarEntry> {
  const entry = await readEntry(source, member.offset);
  if (entry === undefined) throw new ArchiveDamaged(english`it ends before byte ${member.offset}`);
  requireMember(entry, member);
  return entry;
}

/**
 * The content of a file that has no holes, if it lies in a chunk with its headers; undefined where it does not, and
 * where it has another hash. Throws `ArchiveDamaged`.
 */
export function contentIn(chunk: Chunk, member: WantedMember): Buffer | undefined {
  if (member.sha256 === null || member.storedSize !== undefined) return undefined;
  const from = contentFrom(chunk, member);
  if (from === undefined) return undefined;
  const content = chunk.data.subarray(from, from + member.size);
  return content.length === member.size && sha256Of(content) === member.sha256 ? content : undefined;
}

/** Where a file's content begins in a chunk that holds its headers. */
function contentFrom(chunk: Chunk, member: WantedMember): number | undefined {
  const at = member.offset - chunk.start;
  // To make the headers once more and compare them takes a third of the time of reading them.
  const made = at < 0 ? undefined : encodePlain(member);
  if (made?.compare(chunk.data, at, Math.min(at + made.length, chunk.data.length)) === 0)
    return at + made.length;
  const entry = entryIn(chunk, member.offset);
  if (entry?.type !== 'file') return undefined;
  requireMember(entry, member);
  return entry.contentOffset - chunk.start;
}

/** True when a member's headers tell the same bytes as the catalog. */
export function isSameSize(entry: TarEntry, { size, storedSize }: WantedMember): boolean {
  return entry.size === size && entry.storedSize === storedSize;
}

function requireMember(entry: TarEntry, member: WantedMember): void {
  const { offset } = member;
  if (entry.type === 'link' && entry.linkTarget !== member.linkTarget)
    throw new ArchiveDamaged(english`at byte ${offset} is a link to another file than the catalog says`);
  const isSameType = entry.type === member.type || (entry.type === 'link' && member.type === 'file');
  const isSameName = plainName(entry.name) === plainName(member.name);
  if (!isSameType || !isSameName || (entry.type === 'file' && !isSameSize(entry, member)))
    throw new ArchiveDamaged(
      english`at byte ${offset} is ${entry.type} ${displayName(entry.name)} and not what the catalog says`,
    );
}
