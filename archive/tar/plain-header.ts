import { Header } from 'tar/header';
import { paxHeader, timeRecords } from './pax-header.js';
import { type HeaderFields, nameBytes, recordBytes, typeNames } from './tar-records.js';

/** Headers without a name, size and time, for each type, mode and owner seen; they repeat from member to member. */
const templates = new Map<string, { block: Buffer; sum: number }>();

const maxTemplates = 1000;

/** Numbers from here on do not fit the 11 octal digits of a ustar header's size and time. */
const beyondOctal = 8 ** 11;

/**
 * The same bytes as `encodeAny` for a member with a short ASCII name and neither link nor attributes, at a fraction of
 * the time; nearly all members are like this. Undefined for any other.
 */
export function encodePlain(fields: HeaderFields): Buffer | undefined {
  const { name, size, mtimeS, mtimeNs } = fields;
  const { linkTarget, device, attributes } = fields;
  if (linkTarget !== null || device !== undefined || attributes !== undefined) return undefined;
  // eslint-disable-next-line no-control-regex -- this is what ASCII is
  if (name.length >= nameBytes || !/^[\x01-\x7f]+$/.test(name)) return undefined;
  if (fields.storedSize !== undefined || size >= beyondOctal || mtimeS < 0 || mtimeS >= beyondOctal)
    return undefined;
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
