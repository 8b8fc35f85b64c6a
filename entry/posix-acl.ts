/**
 * POSIX ACLs, in the two forms that they have: as text, which tars have in `SCHILY.acl.access`, and in bytes, as Linux
 * has them in the attribute `system.posix_acl_access` (include/uapi/linux/posix_acl_xattr.h: a version, then for each
 * entry its tag, permissions and id, all little-endian).
 */

const version = 2;
const headBytes = 4;
const entryBytes = 8;
/** The id of an entry that names nobody. */
const nobody = 0xffffffff;

/** Tags in the order in which Linux wants the entries. */
const tags = { owner: 1, user: 2, owningGroup: 4, group: 8, mask: 0x10, other: 0x20 } as const;

interface AclEntry {
  tag: number;
  id: number;
  /** Read 4, write 2, execute 1. */
  permissions: number;
}

/**
 * The text of an ACL from Linux: `user::rw-,user:1000:r--,group::r--,mask::r--,other::---`, with ids as numbers, as the
 * owner of a member has one. GNU tar and libarchive read it. Undefined for bytes that are no ACL.
 */
export function aclText(bytes: Uint8Array): string | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const rest = bytes.length - headBytes;
  if (rest <= 0 || rest % entryBytes !== 0 || view.getUint32(0, true) !== version) return undefined;
  const texts: string[] = [];
  for (let at = headBytes; at < bytes.length; at += entryBytes) {
    const [tag, permissions] = [view.getUint16(at, true), view.getUint16(at + 2, true)];
    const word = wordOf(tag);
    if (word === undefined || permissions > 7) return undefined;
    const id = tag === tags.user || tag === tags.group ? view.getUint32(at + 4, true) : '';
    texts.push(`${word}:${id}:${lettersOf(permissions)}`);
  }
  return texts.join(',');
}

/** Which number takes the place of one of a user or group. */
export interface AclIds {
  user(id: number): number;
  group(id: number): number;
}

/**
 * The bytes of a text, for Linux. Undefined for a text that is no ACL, or names somebody by a name.
 *
 * @param ids default: everybody keeps their number.
 */
export function aclBytes(text: string, ids?: AclIds): Buffer | undefined {
  const entries = entriesOf(text);
  if (entries === undefined) return undefined;
  for (const entry of entries) {
    if (entry.tag === tags.user) entry.id = ids?.user(entry.id) ?? entry.id;
    if (entry.tag === tags.group) entry.id = ids?.group(entry.id) ?? entry.id;
  }
  entries.sort((a, b) => a.tag - b.tag || a.id - b.id);
  const bytes = Buffer.alloc(headBytes + entries.length * entryBytes);
  bytes.writeUInt32LE(version);
  for (const [i, { tag, permissions, id }] of entries.entries()) {
    const at = headBytes + i * entryBytes;
    bytes.writeUInt16LE(tag, at);
    bytes.writeUInt16LE(permissions, at + 2);
    bytes.writeUInt32LE(id, at + 4);
  }
  return bytes;
}

/**
 * The mode of an entry that had an access ACL, where that cannot be set. The group bits of its own mode are the ACL's
 * mask; these are the owning group's, as far as the mask allows them. An ACL that cannot be understood leaves the
 * owner's rights alone.
 */
export function modeWithoutAcl(mode: number, text: string): number {
  const entries = entriesOf(text);
  if (entries === undefined) return mode & ~0o77;
  const rights = (wanted: number) =>
    entries.reduce((common, { tag, permissions }) => (tag === wanted ? common & permissions : common), 7);
  return (mode & ~0o77) | ((rights(tags.owningGroup) & rights(tags.mask)) << 3) | rights(tags.other);
}

/** The entries of a text, which commas or newlines divide; libarchive may add an id after a name. */
function entriesOf(text: string): AclEntry[] | undefined {
  const entries: AclEntry[] = [];
  for (const part of text.split(/[,\n]/)) {
    const [, word = '', name = '', letters = '', id = name] =
      /^(user|group|mask|other):([^:]*):([r-][w-][x-])(?::(\d+))?$/.exec(part.trim()) ?? [];
    if (letters === '' || (name !== '' && !/^\d+$/.test(id))) return undefined;
    const number = name === '' ? nobody : Number(id);
    const tag = tagOf(word, name !== '');
    if (tag === undefined || number > nobody) return undefined;
    entries.push({ tag, id: number, permissions: permissionsOf(letters) });
  }
  return entries;
}

function tagOf(word: string, isNamed: boolean): number | undefined {
  if (word === 'user') return isNamed ? tags.user : tags.owner;
  if (word === 'group') return isNamed ? tags.group : tags.owningGroup;
  if (isNamed) return undefined;
  return word === 'mask' ? tags.mask : tags.other;
}

function wordOf(tag: number): string | undefined {
  if (tag === tags.owner || tag === tags.user) return 'user';
  if (tag === tags.owningGroup || tag === tags.group) return 'group';
  if (tag === tags.mask) return 'mask';
  return tag === tags.other ? 'other' : undefined;
}

function lettersOf(permissions: number): string {
  return [...'rwx'].map((letter, i) => ((permissions & (4 >> i)) === 0 ? '-' : letter)).join('');
}

function permissionsOf(letters: string): number {
  return [...letters].reduce((sum, letter, i) => sum + (letter === '-' ? 0 : 4 >> i), 0);
}
