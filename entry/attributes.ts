import { displayName, fromBytes, parseDisplayName, toBytes } from './byte-string.js';
import { aclText } from './posix-acl.js';

/**
 * Extended attributes and ACLs of an entry, as a manifest and the catalog have them. None of it is empty; an entry that
 * has nothing has no `Attributes` either.
 */
export interface Attributes {
  /** Values in base64, by name: as `displayName` writes it, so that bytes that are no text are kept. */
  xattrs?: Readonly<Record<string, string>> | undefined;
  /** POSIX ACLs as text; see posix-acl.ts. A folder's default ACL is what new entries in it get. */
  accessAcl?: string | undefined;
  defaultAcl?: string | undefined;
}

/** One attribute as the system has it. */
export interface RawAttribute {
  name: Uint8Array;
  value: Uint8Array;
}

/** The attributes of Linux that hold ACLs. */
export const aclNames = {
  accessAcl: 'system.posix_acl_access',
  defaultAcl: 'system.posix_acl_default',
} as const;

/** File capabilities, which a change of the owner or of the content takes away. */
export const capabilityName = 'security.capability';

/** What a system's attributes are in an archive; undefined for none. An ACL that is not understood is left out. */
export function attributesFrom(raw: Iterable<RawAttribute>): Attributes | undefined {
  const xattrs: Record<string, string> = {};
  const found: Attributes = {};
  for (const { name, value } of raw) {
    const key = displayName(fromBytes(name));
    if (key === aclNames.accessAcl) found.accessAcl = aclText(value);
    else if (key === aclNames.defaultAcl) found.defaultAcl = aclText(value);
    else xattrs[key] = base64Of(value);
  }
  return normalAttributes({ ...found, xattrs });
}

/** Attributes in their one form: names in order, and nothing that is empty. Undefined for none. */
export function normalAttributes({ xattrs = {}, accessAcl, defaultAcl }: Attributes): Attributes | undefined {
  const entries = Object.entries(xattrs).sort(([a], [b]) => (a < b ? -1 : 1));
  if (entries.length === 0 && accessAcl === undefined && defaultAcl === undefined) return undefined;
  return {
    ...(entries.length === 0 ? {} : { xattrs: Object.fromEntries(entries) }),
    ...(accessAcl === undefined ? {} : { accessAcl }),
    ...(defaultAcl === undefined ? {} : { defaultAcl }),
  };
}

/** The extended attributes as the system has them, without ACLs. */
export function rawXattrs({ xattrs = {} }: Attributes): RawAttribute[] {
  return Object.entries(xattrs).map(([name, value]) => ({
    name: xattrNameBytes(name),
    value: Buffer.from(value, 'base64'),
  }));
}

/** The bytes of a name in `Attributes`. */
export function xattrNameBytes(name: string): Buffer {
  return toBytes(parseDisplayName(name));
}

/** The form of the catalog's column; null for none. */
export function attributesJson(attributes: Attributes | undefined): string | null {
  return attributes === undefined ? null : JSON.stringify(attributes);
}

/** What the catalog's column says. */
export function parseAttributes(json: string | null): Attributes | undefined {
  return json === null ? undefined : (JSON.parse(json) as Attributes);
}

function base64Of(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}
