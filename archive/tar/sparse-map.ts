import type { Extent } from '../../disk/data-extents.js';
import { ArchiveDamaged } from '../readers/archive-file.js';
import type { TarSource } from '../readers/tar-source.js';
import { english } from '../../messages/sentence.js';
import { readBytes } from './tar-entry.js';
import { paddedBytes, recordBytes } from './tar-records.js';

/**
 * Where the data of a file with holes stands, as it is stored: GNU's sparse format 1.0 (GNU tar's manual, "PAX Format,
 * Version 1.0"). The content of its member begins with the map, in whole records: decimal numbers, each with a line
 * feed, how many parts there are, and of each where it begins and how many bytes it has. The data of all parts follow,
 * one after the other.
 */
export interface SparseMap {
  /** Parts of the file that have data, ascending. */
  extents: readonly Extent[];
  /** The map as it is stored. */
  bytes: Buffer;
  /** Bytes of the map and of the data: those of the member's content. */
  storedSize: number;
}

/** Maximum bytes of a map, a bound for forged ones; the packer's have at most 2 MB (`mostExtents`). */
const longestMap = 16 * 1024 * 1024;

/** The map of a file of `size` bytes; undefined when it takes no less than the whole file. */
export function sparseMap(extents: readonly Extent[], size: number): SparseMap | undefined {
  const lines = extents.map(([from, to]) => `${from}\n${to - from}\n`);
  // A hole at the end is shown by a part without bytes; GNU tar would make the file too short otherwise.
  if ((extents.at(-1)?.[1] ?? 0) < size) lines.push(`${size}\n0\n`);
  const text = `${lines.length}\n${lines.join('')}`;
  const bytes = Buffer.alloc(paddedBytes(text.length));
  bytes.write(text, 'latin1');
  const storedSize = bytes.length + dataBytes(extents);
  return storedSize < size ? { extents, bytes, storedSize } : undefined;
}

function dataBytes(extents: readonly Extent[]): number {
  return extents.reduce((sum, [from, to]) => sum + to - from, 0);
}

/**
 * Reads the map at the beginning of a member's content. Throws `ArchiveDamaged` when it is none, or not that of a file
 * of `size` bytes whose member has `storedSize`.
 */
export async function readSparseMap(
  source: TarSource,
  contentOffset: number,
  { size, storedSize }: { size: number; storedSize: number },
): Promise<SparseMap> {
  const parts: Buffer[] = [];
  const numbers: number[] = [];
  let [have, wanted, digits] = [0, 1, ''];
  while (numbers.length < wanted) {
    const record = await readBytes(source, contentOffset + have, recordBytes);
    if (record === undefined) throw damaged();
    parts.push(record);
    have += record.length;
    if (have > Math.min(longestMap, storedSize)) throw damaged();
    for (const char of record.toString('latin1')) {
      if (char === '\n') {
        if (!/^\d{1,16}$/.test(digits)) throw damaged();
        numbers.push(Number(digits));
        digits = '';
        if (numbers.length === 1) wanted = 1 + 2 * (numbers[0] ?? 0);
        if (numbers.length === wanted) break;
      } else digits += char;
    }
    if (digits.length > 16) throw damaged();
  }
  const extents = extentsOf(numbers.slice(1), size);
  if (have + dataBytes(extents) !== storedSize) throw damaged();
  return { extents, bytes: Buffer.concat(parts), storedSize };
}

function extentsOf(numbers: readonly number[], size: number): Extent[] {
  const extents: Extent[] = [];
  let last = 0;
  for (let i = 0; i < numbers.length; i += 2) {
    const [from = 0, bytes = 0] = numbers.slice(i, i + 2);
    if (from < last || from + bytes > size) throw damaged();
    last = from + bytes;
    if (bytes > 0) extents.push([from, last]);
  }
  return extents;
}

function damaged(): ArchiveDamaged {
  return new ArchiveDamaged(english`the map of its holes is damaged`);
}
