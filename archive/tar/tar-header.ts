import { Header, type HeaderData } from 'tar/header';
import { exactText, isAscii, toBytes } from '../../entry/byte-string.js';

/** Bytes of a tar record; headers and contents fill whole ones (POSIX.1-2008, pax, "ustar Interchange Format"). */
export const recordBytes = 512;

/** The headers of one member. Names are byte strings. */
export interface HeaderFields {
  name: string;
  type: 'file' | 'directory' | 'symlink' | 'link';
  /** Bytes of content that follow; 0 for links and folders. */
  size: number;
  mtimeS: number;
  mtimeNs: number;
  mode: number;
  uid: number;
  gid: number;
  linkTarget: string | null;
}

const typeNames = { file: 'File', directory: 'Directory', symlink: 'SymbolicLink', link: 'Link' } as const;

/**
 * The headers of a member, in whole records: a ustar header, preceded by a pax extended header for what it cannot
 * represent (long or non-ASCII names, sizes from 8 GiB, fractions of a second). Names that are not valid UTF-8, which
 * pax cannot represent, and those not in NFC, which libarchive would normalise, are written as raw bytes, long ones
 * with GNU's `L` and `K` headers.
 */
export function encodeHeaders(fields: HeaderFields): Buffer {
  return encodePlain(fields) ?? encodeAny(fields);
}

/** More than the 155 bytes of prefix, a slash and 100 of name that a ustar header can hold. */
const splitChars = 400;

function encodeAny(fields: HeaderFields): Buffer {
  const name = textOf(fields.name);
  const link = fields.linkTarget === null ? undefined : textOf(fields.linkTarget);
  const header = new Header({
    // For longer names, the header has a prefix and the pax record the full name; splitting takes quadratic time.
    path: name?.slice(0, splitChars) ?? 'x',
    linkpath: fields.linkTarget === null ? undefined : (link ?? 'x'),
    type: typeNames[fields.type],
    size: fields.size,
    mode: fields.mode & 0o7777,
    uid: fields.uid,
    gid: fields.gid,
    mtime: new Date(fields.mtimeS * 1000),
  } as HeaderData);
  const block = Buffer.alloc(recordBytes);
  const needPax = header.encode(block);
  if (name === undefined || (fields.linkTarget !== null && link === undefined)) {
    return Buffer.concat([paxHeader(timeRecords(fields)), rawNames(fields, block)]);
  }
  const records = [...(needPax ? fieldRecords(fields) : []), ...timeRecords(fields)];
  return Buffer.concat([paxHeader(records), block]);
}

/** Headers without a name, size and time, for each type, mode and owner seen; they repeat from member to member. */
const templates = new Map<string, { block: Buffer; sum: number }>();
const maxTemplates = 1000;
/** Numbers from here on do not fit the 11 octal digits of a ustar header's size and time. */
const beyondOctal = 8 ** 11;

/**
 * The same bytes as `encodeAny` for a member with a short ASCII name and no link, at a fraction of the time; nearly all
 * members are like this. Undefined for any other.
 */
function encodePlain(fields: HeaderFields): Buffer | undefined {
  const { name, size, mtimeS, mtimeNs } = fields;
  // eslint-disable-next-line no-control-regex -- this is what ASCII is
  if (fields.linkTarget !== null || name.length >= nameBytes || !/^[\x01-\x7f]+$/.test(name))
    return undefined;
  if (size >= beyondOctal || mtimeS < 0 || mtimeS >= beyondOctal) return undefined;
  const template = templateOf(fields);
  if (template === undefined) return undefined;
  const pax = paxHeader(mtimeNs === 0 ? [] : timeRecords(fields));
  const at = pax.length;
  const whole = Buffer.allocUnsafe(at + recordBytes);
  pax.copy(whole);
  template.block.copy(whole, at);
  let sum = template.sum;
  whole.write(name, at, 'latin1');
  for (let i = 0; i < name.length; i += 1) sum += name.charCodeAt(i);
  sum += putOctal(whole, at + 124, size) + putOctal(whole, at + 136, mtimeS);
  whole.write(`${sum.toString(8).padStart(6, '0')} \0`, at + 148, 'latin1');
  return whole;
}

function templateOf({ type, mode, uid, gid }: HeaderFields) {
  const key = `${type} ${mode} ${uid} ${gid}`;
  const known = templates.get(key);
  if (known !== undefined) return known;
  const block = Buffer.alloc(recordBytes);
  const fields = {
    path: 'x',
    type: typeNames[type],
    size: 0,
    mode: mode & 0o7777,
    uid,
    gid,
    mtime: new Date(0),
  };
  if (new Header(fields).encode(block)) return undefined;
  block.fill(0, 0, 1).fill(0, 124, 148).fill(0x20, 148, 156);
  let sum = 0;
  for (const byte of block) sum += byte;
  if (templates.size >= maxTemplates) templates.clear();
  templates.set(key, { block, sum });
  return { block, sum };
}

/**
 * Writes a number to a 12-byte field like node-tar: ten octal digits, space and NUL, or eleven digits and NUL. Returns
 * the sum of its bytes.
 */
function putOctal(block: Buffer, at: number, value: number): number {
  const digits = value.toString(8);
  const text = digits.length === 11 ? `${digits}\0` : `${digits.padStart(10, '0')} \0`;
  block.write(text, at, 'latin1');
  let sum = 0;
  for (let i = 0; i < 12; i += 1) sum += text.charCodeAt(i);
  return sum;
}

/** The text of a byte string, if a pax header can represent it unchanged. */
function textOf(byteString: string): string | undefined {
  if (isAscii(byteString)) return byteString;
  const text = exactText(byteString);
  return text?.normalize('NFC') === text ? text : undefined;
}

/** Bytes of a name in the ustar header's fields `name` and `linkname`. */
const nameBytes = 100;

function rawNames(fields: HeaderFields, block: Buffer): Buffer {
  const parts: Buffer[] = [];
  const put = (
    bytes: Buffer,
    offset: number,
    longType: 'NextFileHasLongPath' | 'NextFileHasLongLinkpath',
  ) => {
    block.fill(0, offset, offset + nameBytes);
    bytes.copy(block, offset, 0, nameBytes);
    if (bytes.length > nameBytes) parts.push(longName(bytes, longType));
  };
  // A prefix field would be prepended to the name; the placeholder never has one.
  if (fields.linkTarget !== null) put(toBytes(fields.linkTarget), 157, 'NextFileHasLongLinkpath');
  put(toBytes(fields.name), 0, 'NextFileHasLongPath');
  block.fill(0, 345, 500);
  writeChecksum(block);
  return Buffer.concat([...parts, block]);
}

/** GNU's long name: a member before the one it names, whose content is the name and a NUL. */
function longName(bytes: Buffer, type: 'NextFileHasLongPath' | 'NextFileHasLongLinkpath'): Buffer {
  const block = Buffer.alloc(recordBytes);
  const fields = {
    path: '././@LongLink',
    type,
    size: bytes.length + 1,
    mode: 0,
    uid: 0,
    gid: 0,
    mtime: new Date(0),
  };
  new Header(fields).encode(block);
  const content = Buffer.alloc(paddedBytes(bytes.length + 1));
  bytes.copy(content);
  return Buffer.concat([block, content]);
}

/** The header's checksum: the sum of its bytes with the checksum field as spaces, in six octal digits. */
function writeChecksum(block: Buffer): void {
  block.fill(0x20, 148, 156);
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
}

/** Names and numbers that a ustar header cannot represent. */
function fieldRecords(fields: HeaderFields): Buffer[] {
  const records = [paxRecord('path', toBytes(fields.name))];
  if (fields.linkTarget !== null) records.push(paxRecord('linkpath', toBytes(fields.linkTarget)));
  if (fields.size > 0o77777777777) records.push(paxRecord('size', String(fields.size)));
  if (fields.uid > 0o7777777) records.push(paxRecord('uid', String(fields.uid)));
  if (fields.gid > 0o7777777) records.push(paxRecord('gid', String(fields.gid)));
  return records;
}

/** The time, if a ustar header cannot represent it: before 1970, after 2242, or with a fraction. */
function timeRecords({ mtimeS, mtimeNs }: HeaderFields): Buffer[] {
  const isPlain = mtimeNs === 0 && mtimeS >= 0 && mtimeS <= 0o77777777777;
  return isPlain ? [] : [paxRecord('mtime', decimalTime(mtimeS, mtimeNs))];
}

/** A pax extended header with these records; empty when there are none. */
function paxHeader(records: readonly Buffer[]): Buffer {
  if (records.length === 0) return Buffer.alloc(0);
  const body = records.length === 1 && records[0] !== undefined ? records[0] : Buffer.concat(records);
  const whole = Buffer.alloc(recordBytes + paddedBytes(body.length));
  paxBlock(body.length).copy(whole);
  body.copy(whole, recordBytes);
  return whole;
}

/** Cached pax header blocks by body size; those with only a time are all the same. */
const paxBlocks = new Map<number, Buffer>();

function paxBlock(bodyBytes: number): Buffer {
  const known = paxBlocks.get(bodyBytes);
  if (known !== undefined) return known;
  const head = {
    path: 'PaxHeader/tapeflow',
    type: 'ExtendedHeader',
    size: bodyBytes,
    mode: 0o644,
    uid: 0,
    gid: 0,
    mtime: new Date(0),
  };
  const block = Buffer.alloc(recordBytes);
  new Header(head as HeaderData).encode(block);
  if (paxBlocks.size >= maxTemplates) paxBlocks.clear();
  paxBlocks.set(bodyBytes, block);
  return block;
}

/** `LENGTH KEY=VALUE\n`, where the length includes itself (POSIX pax, "pax Extended Header"). */
function paxRecord(key: string, value: Buffer | string): Buffer {
  if (typeof value === 'string') {
    const bytes = key.length + value.length + 3;
    return Buffer.from(`${recordLength(bytes)} ${key}=${value}\n`, 'latin1');
  }
  const rest = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.from('\n')]);
  return Buffer.concat([Buffer.from(String(recordLength(rest.length))), rest]);
}

/** Bytes of a record, with its length field, before `rest` bytes. */
function recordLength(rest: number): number {
  const length = rest + String(rest).length;
  return String(length).length > String(rest).length ? length + 1 : length;
}

/** Seconds with nine decimals; nanoseconds always count upwards, so -2 s and 0.5 s are -1.5. */
function decimalTime(seconds: number, ns: number): string {
  if (seconds >= 0 || ns === 0)
    return ns === 0 ? String(seconds) : `${seconds}.${String(ns).padStart(9, '0')}`;
  return `-${-seconds - 1}.${String(1_000_000_000 - ns).padStart(9, '0')}`;
}

/** Bytes that some content takes in an archive, padded to whole records. */
export function paddedBytes(bytes: number): number {
  return Math.ceil(bytes / recordBytes) * recordBytes;
}
