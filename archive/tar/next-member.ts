import { ArchiveDamaged } from '../readers/archive-file.js';
import type { ForwardSource } from '../readers/forward-source.js';
import { storedBytes } from '../../entry/member.js';
import { paddedBytes, recordBytes } from './tar-records.js';
import { readEntry, type TarEntry } from './tar-entry.js';

/** Where a chain of members begins. */
export interface MemberStart {
  offset: number;
  /** It directly follows a known member and was not found by searching. */
  isSure: boolean;
}

/** Damage after which members are searched for. */
interface Damage {
  isSure: boolean;
  end: 'end' | 'damage' | 'false';
  /** Byte where a member should begin, or where one with damaged content begins. */
  tarBytes: number;
  /** Where that member ends. */
  expected: number | undefined;
}

/**
 * The next member after some damage: directly after the member with damaged content, if its end can be read, or else
 * the next one that looks like headers. Undefined when there is none.
 *
 * @param lower its name must sort after this one.
 */
export async function nextMemberStart(
  source: ForwardSource,
  damage: Damage,
  lower: string,
): Promise<MemberStart | undefined> {
  let at: number | undefined = await source.resync();
  if (at === undefined) return undefined;
  const { expected } = damage;
  if (expected !== undefined && damage.end !== 'false') {
    // The number of blocks lost in a hole may be unknown: the end may be off by some blocks.
    const { step } = source;
    let end = step === undefined ? expected : expected - Math.floor((expected - at) / step) * step;
    for (; end >= at && end <= expected; end += step ?? 1) {
      if (await isStartAt(source, end, lower))
        return { offset: end, isSure: damage.isSure && end === expected };
      if (step === undefined) break;
    }
    at = Math.max(at, Math.min(end, expected));
  } else at = Math.max(at, damage.tarBytes + recordBytes);
  return searchFrom(source, at, lower);
}

/** True when a member or the archive's end begins there; holes before it are skipped. */
async function isStartAt(source: ForwardSource, offset: number, lower: string): Promise<boolean> {
  for (;;) {
    try {
      if ((await source.chunkAt(offset)) === undefined) return false;
      const entry = await readEntry(source, offset);
      return entry === undefined || entry.name > lower;
    } catch (error) {
      if (!(error instanceof ArchiveDamaged)) throw error;
      const next = await source.resync();
      if (next === undefined || next > offset) return false;
    }
  }
}

/** Searches record by record. Chunks consist of whole records, except for the archive's last. */
async function searchFrom(
  source: ForwardSource,
  from: number,
  lower: string,
): Promise<MemberStart | undefined> {
  let at = Math.ceil(from / recordBytes) * recordBytes;
  let before: Buffer | undefined;
  for (;;) {
    try {
      at = Math.max(at, Math.ceil(source.begin / recordBytes) * recordBytes);
      const chunk = await source.chunkAt(at);
      if (chunk === undefined) return undefined;
      const record = chunk.data.subarray(at - chunk.start, at - chunk.start + recordBytes);
      if (looksLikeHeader(record)) {
        const entry = await readEntry(source, at);
        if (entry !== undefined && entry.name > lower)
          return { offset: isWhole(record, before) ? at : endOf(entry), isSure: false };
      }
      before = record;
      at += recordBytes;
    } catch (error) {
      if (!(error instanceof ArchiveDamaged)) throw error;
      const next = await source.resync();
      if (next === undefined) return undefined;
      at = Math.max(at + recordBytes, Math.ceil(next / recordBytes) * recordBytes);
      before = undefined;
    }
  }
}

function endOf(entry: TarEntry): number {
  return entry.contentOffset + paddedBytes(storedBytes(entry));
}

/** A quick check: the checksum is verified by the reader. */
function looksLikeHeader(record: Buffer): boolean {
  return record.length === recordBytes && record.toString('latin1', 257, 262) === 'ustar';
}

const [nameBytes, typeAt, newline] = [100, 156, 0x0a];

/**
 * False when extended headers of this member, with its full name and exact times, may have been lost in the damage:
 * then the member is lost and only shows where the next one begins.
 */
function isWhole(record: Buffer, before: Buffer | undefined): boolean {
  if ('xLKg'.includes(String.fromCharCode(record[typeAt] ?? 0))) return true;
  if (before === undefined || record.subarray(0, nameBytes).indexOf(0) < 0) return false;
  let end = before.length;
  while (end > 0 && before[end - 1] === 0) end -= 1;
  return end > 0 && before[end - 1] !== newline;
}
