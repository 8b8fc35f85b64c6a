import { toBytes } from '../../entry/byte-string.js';
import { paxRecord } from './pax-record.js';
import { type HeaderFields, paddedBytes, recordBytes } from './tar-records.js';
import { putChecksum, putOctal, ustarBlock } from './ustar-block.js';

/** Names and numbers that a ustar header cannot represent. */
export function fieldRecords(fields: HeaderFields): Buffer[] {
  const records = [paxRecord('path', toBytes(fields.name))];
  if (fields.linkTarget !== null) records.push(paxRecord('linkpath', toBytes(fields.linkTarget)));
  if (fields.size > 0o77777777777) records.push(paxRecord('size', String(fields.size)));
  if (fields.uid > 0o7777777) records.push(paxRecord('uid', String(fields.uid)));
  if (fields.gid > 0o7777777) records.push(paxRecord('gid', String(fields.gid)));
  return records;
}

/**
 * GNU's sparse format 1.0 (its manual, "PAX Format, Version 1.0").
 *
 * @param name undefined: it stands in the ustar header.
 */
export function sparseRecords(name: string | undefined, size: number): Buffer[] {
  const records = [paxRecord('GNU.sparse.major', '1'), paxRecord('GNU.sparse.minor', '0')];
  if (name !== undefined) records.push(paxRecord('GNU.sparse.name', toBytes(name)));
  return [...records, paxRecord('GNU.sparse.realsize', String(size))];
}

/** The time, if a ustar header cannot represent it: before 1970, after 2242, or with a fraction. */
export function timeRecords({ mtimeS, mtimeNs }: HeaderFields): Buffer[] {
  const isPlain = mtimeNs === 0 && mtimeS >= 0 && mtimeS <= 0o77777777777;
  return isPlain ? [] : [paxRecord('mtime', decimalTime(mtimeS, mtimeNs))];
}

/** A pax extended header with these records; empty when there are none. */
export function paxHeader(records: readonly Buffer[]): Buffer {
  if (records.length === 0) return Buffer.alloc(0);
  const body = records.length === 1 && records[0] !== undefined ? records[0] : Buffer.concat(records);
  const whole = Buffer.alloc(recordBytes + paddedBytes(body.length));
  paxBlock(body.length).copy(whole);
  body.copy(whole, recordBytes);
  return whole;
}

/** Cached pax header blocks by body size; those with only a time are all the same. */
const paxBlocks = new Map<number, Buffer>();

const maxPaxBlocks = 1000;

function paxBlock(bodyBytes: number): Buffer {
  const known = paxBlocks.get(bodyBytes);
  if (known !== undefined) return known;
  const block = ustarBlock('x', 0o644, [0, 0]);
  if (block === undefined) throw new Error('a pax header has no room for its own numbers');
  block.write('PaxHeader/tapeflow', 'latin1');
  putOctal(block, 124, bodyBytes);
  putOctal(block, 136, 0);
  let sum = 0;
  for (const byte of block) sum += byte;
  putChecksum(block, 0, sum);
  if (paxBlocks.size >= maxPaxBlocks) paxBlocks.clear();
  paxBlocks.set(bodyBytes, block);
  return block;
}

/** Seconds with nine decimals; nanoseconds always count upwards, so -2 s and 0.5 s are -1.5. */
function decimalTime(seconds: number, ns: number): string {
  if (seconds >= 0 || ns === 0)
    return ns === 0 ? String(seconds) : `${seconds}.${String(ns).padStart(9, '0')}`;
  return `-${-seconds - 1}.${String(1_000_000_000 - ns).padStart(9, '0')}`;
}
