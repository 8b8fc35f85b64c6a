import { fromBytes } from '../../entry/byte-string.js';
import { type Attributes, normalAttributes, rawXattrs, attributesFrom } from '../../entry/attributes.js';
import { paxRecord } from './pax-record.js';

/**
 * Records for attributes as star made them first, and as GNU tar (src/xheader.c, src/xattrs.c) and libarchive read
 * them: ACLs as text, values as they are, with any bytes.
 */
const keys = {
  xattr: 'SCHILY.xattr.',
  accessAcl: 'SCHILY.acl.access',
  defaultAcl: 'SCHILY.acl.default',
} as const;

/** The pax records of attributes. */
export function attributeRecords(attributes: Attributes | undefined): Buffer[] {
  if (attributes === undefined) return [];
  const records = rawXattrs(attributes).map(({ name, value }) =>
    paxRecord(keys.xattr + escapeKey(fromBytes(name)), Buffer.from(value)),
  );
  for (const which of ['accessAcl', 'defaultAcl'] as const) {
    const text = attributes[which];
    if (text !== undefined) records.push(paxRecord(keys[which], Buffer.from(text)));
  }
  return records;
}

/** Collects the attributes that the pax records of one member say. */
export class PaxAttributes {
  private readonly raw: { name: Buffer; value: Buffer }[] = [];
  private readonly acls: Attributes = {};

  /** Takes a record, if it is one of these. Both are byte strings. */
  take(key: string, value: string): void {
    if (key === keys.accessAcl) this.acls.accessAcl = value;
    else if (key === keys.defaultAcl) this.acls.defaultAcl = value;
    else if (key.startsWith(keys.xattr))
      this.raw.push({
        name: Buffer.from(unescapeKey(key.slice(keys.xattr.length)), 'latin1'),
        value: Buffer.from(value, 'latin1'),
      });
  }

  /** Undefined when there was none. */
  taken(): Attributes | undefined {
    return normalAttributes({ ...attributesFrom(this.raw), ...this.acls });
  }
}

/**
 * A key ends at its first `=`, so one in a name is written as `%3D`, and a `%` as `%25` where it would be read as one
 * of the two: as GNU tar does it. libarchive takes such names as they are.
 */
function escapeKey(name: string): string {
  return name.replaceAll(/%(?=25|3D)/g, '%25').replaceAll('=', '%3D');
}

function unescapeKey(key: string): string {
  return key.replaceAll(/%(25|3D)/g, (_, code: string) => (code === '25' ? '%' : '='));
}
