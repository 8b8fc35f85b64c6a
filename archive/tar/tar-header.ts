import { Header, type HeaderData } from 'tar/header';
import { exactText, isAscii } from '../../entry/byte-string.js';
import { fieldRecords, paxHeader, sparseRecords, timeRecords } from './pax-header.js';
import { attributeRecords } from './pax-attributes.js';
import { encodePlain } from './plain-header.js';
import { rawNames } from './raw-names.js';
import { type HeaderFields, recordBytes, typeNames } from './tar-records.js';

/**
 * The headers of a member, in whole records: a ustar header, preceded by a pax extended header for what it cannot
 * represent (long or non-ASCII names, sizes from 8 GiB, fractions of a second, attributes). Names that are not valid
 * UTF-8, which pax cannot represent, and those not in NFC, which libarchive would normalise, are written as raw bytes,
 * long ones with GNU's `L` and `K` headers. A file that has a `storedSize` is one with holes, in GNU's sparse
 * format 1.0.
 */
export function encodeHeaders(fields: HeaderFields): Buffer {
  const { storedSize, type } = fields;
  if (storedSize !== undefined && type === 'file') return encodeSparse(fields, storedSize);
  return encodePlain(fields) ?? encodeAny(fields, []);
}

/** The ustar header has another name, so that a program that does not know the format never takes it for the file. */
function encodeSparse(fields: HeaderFields, storedSize: number): Buffer {
  const { name, size } = fields;
  const held = { ...fields, size: storedSize, storedSize: undefined };
  // Raw names stand in the ustar header alone.
  if (textOf(name) === undefined) return encodeAny(held, sparseRecords(undefined, size));
  const slash = name.lastIndexOf('/') + 1;
  const other = `${name.slice(0, slash)}GNUSparseFile.0/${name.slice(slash)}`;
  return encodeAny({ ...held, name: other }, sparseRecords(name, size));
}

/** More than the 155 bytes of prefix, a slash and 100 of name that a ustar header can hold. */
const splitChars = 400;

/** @param more pax records besides those that the fields need. */
function encodeAny(fields: HeaderFields, more: readonly Buffer[]): Buffer {
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
    devmaj: fields.device?.[0] ?? 0,
    devmin: fields.device?.[1] ?? 0,
    mtime: new Date(fields.mtimeS * 1000),
  } as HeaderData);
  const block = Buffer.alloc(recordBytes);
  const needPax = header.encode(block);
  // A hard link is one file with its target, which has them already.
  const attributes = fields.type === 'link' ? undefined : fields.attributes;
  const rest = [...timeRecords(fields), ...attributeRecords(attributes)];
  if (name === undefined || (fields.linkTarget !== null && link === undefined)) {
    return Buffer.concat([paxHeader([...more, ...rest]), rawNames(fields, block)]);
  }
  const records = [...more, ...(needPax ? fieldRecords(fields) : []), ...rest];
  return Buffer.concat([paxHeader(records), block]);
}

/** The text of a byte string, if a pax header can represent it unchanged. */
function textOf(byteString: string): string | undefined {
  if (isAscii(byteString)) return byteString;
  const text = exactText(byteString);
  return text?.normalize('NFC') === text ? text : undefined;
}
