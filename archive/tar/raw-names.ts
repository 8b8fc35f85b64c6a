import { Header } from 'tar/header';
import { toBytes } from '../../entry/byte-string.js';
import { type HeaderFields, nameBytes, paddedBytes, recordBytes } from './tar-records.js';

/** A header block with a member's names as raw bytes, and before it GNU's headers for long ones. */
export function rawNames(fields: HeaderFields, block: Buffer): Buffer {
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
