import type { Attributes } from '../../entry/attributes.js';
import type { Chunk, TarSource } from '../readers/tar-source.js';
import { paddedBytes, recordBytes } from './tar-records.js';
import { PaxAttributes } from './pax-attributes.js';
import type { DeviceNumbers } from '../../entry/device.js';
import type { PackedMember } from '../../entry/member.js';
import { ArchiveDamaged } from '../readers/archive-file.js';
import { english } from '../../messages/sentence.js';

/** The headers of one member. Names are byte strings. */
export interface TarEntry {
  name: string;
  type: PackedMember['type'] | 'other';
  /** Bytes of content. */
  size: number;
  /** Of a file with holes, the bytes that follow the headers; see `SparseMap`. Undefined: `size`. */
  storedSize?: number | undefined;
  mode: number;
  uid: number;
  gid: number;
  mtimeS: number;
  mtimeNs: number;
  linkTarget: string | null;
  /** Of a device. */
  device: DeviceNumbers | undefined;
  /** Undefined when there are none, as for further hard links. */
  attributes: Attributes | undefined;
  /** Byte of the uncompressed archive where the first of its headers begins. */
  offset: number;
  /** Byte where its content begins. */
  contentOffset: number;
}

/** Maximum bytes of a pax header or GNU long name; a bound for forged ones. */
const longestHeader = 16 * 1024 * 1024;

/**
 * Reads the headers of the member that begins at `offset`: ustar (POSIX.1-2008 pax, "ustar Interchange Format"), pax
 * extended headers, GNU's long names and base-256 numbers. Returns undefined at the end of the archive. Throws
 * `ArchiveDamaged` when no header is there.
 */
export async function readEntry(source: TarSource, offset: number): Promise<TarEntry | undefined> {
  // Nearly all headers are within one chunk.
  const chunk = await source.chunkAt(offset);
  const apart = new Map<number, Buffer>();
  for (;;) {
    const read = entryFrom((at, length) => apart.get(at) ?? bytesOf(chunk, at, length), offset);
    if (!('missing' in read)) return read.entry;
    const { missing, length, isBody } = read;
    const bytes = await readBytes(source, missing, length);
    if (bytes === undefined && isBody) throw new ArchiveDamaged(english`the archive ends inside a header`);
    if (bytes === undefined) return undefined;
    apart.set(missing, bytes);
  }
}

/** The same where all headers lie in a chunk; undefined where they do not. */
export function entryIn(chunk: Chunk, offset: number): TarEntry | undefined {
  const read = entryFrom((at, length) => bytesOf(chunk, at, length), offset);
  return 'missing' in read ? undefined : read.entry;
}

/** An entry, undefined at the end of the archive; or which bytes have to be read first: a record or its body. */
type EntryRead = { entry: TarEntry | undefined } | { missing: number; length: number; isBody: boolean };

function entryFrom(bytesAt: (at: number, length: number) => Buffer | undefined, offset: number): EntryRead {
  const more: LongFields = {};
  for (let at = offset; ;) {
    const block = bytesAt(at, recordBytes);
    if (block === undefined) return { missing: at, length: recordBytes, isBody: false };
    if (isZero(block) && at === offset) return { entry: undefined };
    requireChecksum(block, at);
    const type = String.fromCharCode(block[156] ?? 0);
    const size = more.size ?? numberField(block, 124, 12);
    if (!Number.isSafeInteger(size) || size < 0)
      throw new ArchiveDamaged(english`the header at byte ${at} has no valid size`);
    const content = at + recordBytes;
    if (!'xgLK'.includes(type)) return { entry: entryOf(block, type, size, more, offset, content) };
    if (size > longestHeader) throw new ArchiveDamaged(english`a header at byte ${at} is too long`);
    const body = bytesAt(content, size);
    if (body === undefined) return { missing: content, length: size, isBody: true };
    if (type === 'x') readPax(body, more);
    if (type === 'L') more.path = untilNul(body);
    if (type === 'K') more.linkpath = untilNul(body);
    at = content + paddedBytes(size);
  }
}

/** Fields from extended headers, which override those of the ustar header. */
interface LongFields {
  path?: string;
  linkpath?: string;
  size?: number;
  uid?: number;
  gid?: number;
  mtime?: { seconds: number; ns: number };
  attributes?: PaxAttributes;
  sparse?: { major?: number; minor?: number; name?: string; realSize?: number };
}

function entryOf(
  block: Buffer,
  typeFlag: string,
  size: number,
  more: LongFields,
  offset: number,
  contentOffset: number,
): TarEntry {
  const magic = block.toString('latin1', 257, 263);
  const prefix = magic === 'ustar\0' ? untilNul(block.subarray(345, 500)) : '';
  const plain = untilNul(block.subarray(0, 100));
  const link = more.linkpath ?? untilNul(block.subarray(157, 257));
  const { sparse } = more;
  const hasHoles = sparse?.major === 1 && sparse.minor === 0;
  const path = hasHoles ? (sparse.name ?? more.path) : more.path;
  const name = path ?? (prefix === '' ? plain : `${prefix}/${plain}`);
  const type = typeOf(typeFlag, name);
  const realSize = hasHoles && type === 'file' ? (sparse.realSize ?? NaN) : undefined;
  if (realSize !== undefined && (!Number.isSafeInteger(realSize) || realSize < 0))
    throw new ArchiveDamaged(english`the file with holes at byte ${offset} has no valid size`);
  return {
    name,
    type,
    size: realSize ?? (type === 'file' || type === 'other' ? size : 0),
    ...(realSize === undefined ? {} : { storedSize: size }),
    mode: numberField(block, 100, 8) & 0o7777,
    uid: more.uid ?? numberField(block, 108, 8),
    gid: more.gid ?? numberField(block, 116, 8),
    mtimeS: more.mtime?.seconds ?? numberField(block, 136, 12),
    mtimeNs: more.mtime?.ns ?? 0,
    linkTarget: type === 'symlink' || type === 'link' ? link : null,
    device:
      type === 'character' || type === 'block'
        ? [numberField(block, 329, 8), numberField(block, 337, 8)]
        : undefined,
    attributes: more.attributes?.taken(),
    offset,
    contentOffset,
  };
}

function typeOf(flag: string, name: string): TarEntry['type'] {
  if (flag === '1') return 'link';
  if (flag === '2') return 'symlink';
  if (flag === '3') return 'character';
  if (flag === '4') return 'block';
  if (flag === '5') return 'directory';
  if (flag === '6') return 'fifo';
  if (flag === '0' || flag === '\0' || flag === '7') return name.endsWith('/') ? 'directory' : 'file';
  return 'other';
}

/** Some bytes of a chunk; undefined when it does not contain all of them. */
function bytesOf(chunk: Chunk | undefined, offset: number, length: number): Buffer | undefined {
  if (chunk === undefined || offset + length > chunk.start + chunk.data.length) return undefined;
  return chunk.data.subarray(offset - chunk.start, offset + length - chunk.start);
}

/** Some bytes of the archive; undefined when it ends before them. */
export async function readBytes(
  source: TarSource,
  offset: number,
  length: number,
): Promise<Buffer | undefined> {
  const parts: Buffer[] = [];
  for (let have = 0; have < length;) {
    const chunk = await source.chunkAt(offset + have);
    if (chunk === undefined) {
      if (have === 0) return undefined;
      throw new ArchiveDamaged(english`the archive ends inside a header`);
    }
    const part = chunk.data.subarray(offset + have - chunk.start, offset + length - chunk.start);
    parts.push(part);
    have += part.length;
  }
  const [first] = parts;
  return parts.length === 1 && first !== undefined ? first : Buffer.concat(parts);
}

function isZero(block: Buffer): boolean {
  return block[0] === 0 && block.every((byte) => byte === 0);
}

/** The header's checksum: the sum of its bytes with the checksum field as spaces. */
function requireChecksum(block: Buffer, at: number): void {
  let sum = 8 * 0x20;
  for (let i = 0; i < 148; i += 1) sum += block[i] ?? 0;
  for (let i = 156; i < recordBytes; i += 1) sum += block[i] ?? 0;
  if (numberField(block, 148, 8) !== sum) throw new ArchiveDamaged(english`there is no header at byte ${at}`);
}

/** An octal number, or GNU's base-256 form, whose first byte has its top bit set. */
function numberField(block: Buffer, offset: number, length: number): number {
  const first = block[offset] ?? 0;
  if ((first & 0x80) === 0) {
    const text = untilNul(block.subarray(offset, offset + length)).trim();
    return text === '' ? 0 : parseInt(text, 8);
  }
  let value = first === 0xff ? -1 : first & 0x7f;
  for (let i = offset + 1; i < offset + length; i += 1) value = value * 256 + (block[i] ?? 0);
  return value;
}

function untilNul(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString('latin1', 0, end === -1 ? bytes.length : end);
}

/** Records `LENGTH KEY=VALUE\n` (POSIX pax, "pax Extended Header"). */
function readPax(body: Buffer, more: LongFields): void {
  for (let at = 0; at < body.length;) {
    const space = body.indexOf(0x20, at);
    const length = space === -1 ? NaN : Number(body.toString('latin1', at, space));
    if (!Number.isInteger(length) || length <= space - at + 1 || at + length > body.length)
      throw new ArchiveDamaged(english`a pax header is damaged`);
    const record = body.toString('latin1', space + 1, at + length - 1);
    const equals = record.indexOf('=');
    takePax(record.slice(0, equals), record.slice(equals + 1), more);
    at += length;
  }
}

function takePax(key: string, value: string, more: LongFields): void {
  if (key === 'path' || key === 'linkpath') more[key] = value;
  else if (key === 'size' || key === 'uid' || key === 'gid') more[key] = Number(value);
  else if (key === 'mtime') more.mtime = timeOf(value);
  else if (key.startsWith('SCHILY.')) (more.attributes ??= new PaxAttributes()).take(key, value);
  else if (key.startsWith('GNU.sparse.')) takeSparse(key.slice('GNU.sparse.'.length), value, more);
}

/** What GNU tar says of a file with holes (its manual, "Sparse Formats"). */
function takeSparse(key: string, value: string, more: LongFields): void {
  const sparse = (more.sparse ??= {});
  if (key === 'name') sparse.name = value;
  else if (key === 'major' || key === 'minor') sparse[key] = Number(value);
  else if (key === 'realsize') sparse.realSize = Number(value);
}

/** Seconds rounded down, plus nanoseconds: -1.5 is -2 s and 0.5 s. */
function timeOf(value: string): { seconds: number; ns: number } {
  const [, sign = '', whole = '0', fraction = ''] = /^(-?)(\d+)(?:\.(\d*))?$/.exec(value) ?? [];
  const ns = Number(fraction.padEnd(9, '0').slice(0, 9));
  if (sign === '') return { seconds: Number(whole), ns };
  return ns === 0
    ? { seconds: -Number(whole), ns: 0 }
    : { seconds: -Number(whole) - 1, ns: 1_000_000_000 - ns };
}
