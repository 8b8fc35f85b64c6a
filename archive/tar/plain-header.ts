import { paxHeader, timeRecords } from './pax-header.js';
import { type HeaderFields, nameBytes, recordBytes } from './tar-records.js';
import { putChecksum, putOctal, ustarBlock } from './ustar-block.js';

/** Headers without a name, size and time, for each type, mode and owner seen; they repeat from member to member. */
const templates = new Map<string, { block: Buffer; sum: number }>();

const maxTemplates = 1000;

/** The types by their letters (POSIX.1-2008 pax, "ustar Interchange Format"). */
const typeFlags = {
  ...{ file: '0', link: '1', symlink: '2', character: '3', block: '4' },
  ...{ directory: '5', fifo: '6' },
} as const;

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
  putChecksum(whole, at, sum);
  return whole;
}

function templateOf({ type, mode, uid, gid }: HeaderFields) {
  const key = `${type} ${mode} ${uid} ${gid}`;
  const known = templates.get(key);
  if (known !== undefined) return known;
  const block = ustarBlock(typeFlags[type], mode & 0o7777, [uid, gid]);
  if (block === undefined) return undefined;
  let sum = 0;
  for (const byte of block) sum += byte;
  if (templates.size >= maxTemplates) templates.clear();
  templates.set(key, { block, sum });
  return { block, sum };
}
