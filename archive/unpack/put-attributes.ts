import os from 'node:os';
import { getSystemErrorName } from 'node:util';
import {
  aclNames,
  capabilityName,
  rawXattrs,
  xattrNameBytes,
  type Attributes,
} from '../../entry/attributes.js';
import { displayName, fromBytes } from '../../entry/byte-string.js';
import type { MetadataKind } from '../../entry/metadata-kind.js';
import { mappedId, type OwnerChoice } from '../../entry/owner-choice.js';
import { aclBytes, modeWithoutAcl } from '../../entry/posix-acl.js';
import { loadAddon } from '../../native/addon.js';

/** An entry by its descriptor, or, where that is -1, by its own path; a link there is never followed. */
export interface AttributedEntry {
  readonly fd: number;
  readonly path: Uint8Array;
}

/** How the mode of an entry is set and asked for meanwhile; setting it may be refused, which is no error. */
export interface ModeAccess {
  get(): number;
  set(mode: number): void;
}

/** The kinds of metadata that attributes are. */
export type AttributeKind = Extract<MetadataKind, 'attributes' | 'acl' | 'capability'>;

/** Values by name, as `Attributes` have names; ACLs are among them, in bytes. */
type Values = ReadonlyMap<string, Uint8Array>;

const noValues: Values = new Map();
const nothingLacks: readonly AttributeKind[] = [];

/** Errors of the disk or its connection. All others refuse one attribute: `ENOSPC` too, which is that of an inode. */
const failures = new Set([
  'EIO',
  'EROFS',
  'ENODEV',
  'ENXIO',
  'ESTALE',
  'ENOTCONN',
  'ETIMEDOUT',
  'EBADF',
  'ENOMEM',
]);

const errorNumbers = os.constants.errno;

/**
 * Sets extended attributes, ACLs and capabilities of restored entries, and takes away what an entry got besides: a new
 * one inherits the default ACL of its folder. Labels that the system gave stay where none was backed up. Where the
 * native part is missing nothing of it can be set. Throws only when the target itself fails.
 */
export class AttributeSetter {
  private readonly addon = loadAddon();

  constructor(private readonly owners: OwnerChoice) {}

  /**
   * Sets the attributes and the mode of an entry, which has its owner already: a change of the owner takes capabilities
   * away. An entry with an ACL is its owner's alone until it has it: set after the mode, whose group bits become its
   * mask. Where it is refused, the mode is the one without an ACL. Returns the mode, and what the entry lacks.
   */
  put(
    entry: AttributedEntry,
    wanted: Attributes | undefined,
    mode: number,
    access: ModeAccess,
  ): { mode: number; lacks: readonly AttributeKind[] } {
    const there = this.valuesOf(entry);
    // Nearly every entry: it has none, and is to have none.
    if (there.size === 0 && wanted === undefined) {
      access.set(mode);
      return { mode, lacks: nothingLacks };
    }
    const values = this.wantedValues(wanted);
    this.takeAway(entry, there, values, access);
    this.setAll(entry, there, values, access);
    const [text, acl] = [wanted?.accessAcl, values.get(aclNames.accessAcl)];
    if (text === undefined || acl === undefined) {
      access.set(mode);
      return { mode, lacks: this.lacking(entry, wanted) };
    }
    access.set(mode & ~0o77);
    if (this.set(entry, aclNames.accessAcl, acl) === 0) return { mode, lacks: this.lacking(entry, wanted) };
    const bare = modeWithoutAcl(mode, text);
    access.set(bare);
    return { mode: bare, lacks: this.lacking(entry, wanted) };
  }

  /** What of its attributes an entry lacks, or has besides. */
  lacking(entry: AttributedEntry, wanted: Attributes | undefined): readonly AttributeKind[] {
    const there = this.valuesOf(entry);
    if (there.size === 0 && wanted === undefined) return nothingLacks;
    const values = this.wantedValues(wanted);
    const lacks = new Set<AttributeKind>();
    for (const [name, value] of values) if (!isSame(there.get(name), value)) lacks.add(kindOf(name));
    for (const name of there.keys()) if (!values.has(name) && isOurs(name)) lacks.add(kindOf(name));
    return [...lacks];
  }

  /** An ACL loses its mask's rights first: without it, the mode's group bits would be those of the owning group. */
  private takeAway(entry: AttributedEntry, there: Values, wanted: Values, access: ModeAccess): void {
    if (there.has(aclNames.accessAcl)) access.set(access.get() & ~0o77);
    for (const name of there.keys()) {
      if (name !== aclNames.accessAcl && (wanted.has(name) || !isOurs(name))) continue;
      requireAlive(this.addon?.removeXattr?.(entry.fd, entry.path, xattrNameBytes(name)) ?? 0);
    }
  }

  /** All but the access ACL. Whoever may not write a file may not set its `user` attributes either. */
  private setAll(entry: AttributedEntry, there: Values, wanted: Values, access: ModeAccess): void {
    for (const [name, value] of wanted) {
      if (name === aclNames.accessAcl || isSame(there.get(name), value)) continue;
      if (this.set(entry, name, value) !== errorNumbers.EACCES) continue;
      access.set(access.get() | 0o600);
      this.set(entry, name, value);
    }
  }

  /** 0, or the number of the error with which it was refused. */
  private set({ fd, path }: AttributedEntry, name: string, value: Uint8Array): number {
    return requireAlive(
      this.addon?.setXattr?.(fd, path, xattrNameBytes(name), value) ?? errorNumbers.EOPNOTSUPP,
    );
  }

  private valuesOf({ fd, path }: AttributedEntry): Values {
    const found = this.addon?.readXattrs?.(fd, path) ?? null;
    if (found === null) return noValues;
    const values = new Map<string, Uint8Array>();
    for (const { name, value } of found)
      if (value !== undefined) values.set(displayName(fromBytes(name)), value);
    return values;
  }

  /** An ACL that cannot be understood gets bytes that no system takes, and so is lacking. */
  private wantedValues(wanted: Attributes | undefined): Values {
    if (wanted === undefined) return noValues;
    const values = new Map<string, Uint8Array>();
    for (const { name, value } of rawXattrs(wanted)) values.set(displayName(fromBytes(name)), value);
    const { users, groups } = this.owners;
    const ids = { user: (id: number) => mappedId(users, id), group: (id: number) => mappedId(groups, id) };
    for (const which of ['accessAcl', 'defaultAcl'] as const) {
      const text = wanted[which];
      if (text !== undefined) values.set(aclNames[which], aclBytes(text, ids) ?? Buffer.alloc(1));
    }
    return values;
  }
}

/** What is taken away where it was not backed up: what a user or a folder's default ACL gave, and rights. */
function isOurs(name: string): boolean {
  return name.startsWith('user.') || kindOf(name) !== 'attributes';
}

function kindOf(name: string): AttributeKind {
  if (name === capabilityName) return 'capability';
  return name === aclNames.accessAcl || name === aclNames.defaultAcl ? 'acl' : 'attributes';
}

function isSame(there: Uint8Array | undefined, wanted: Uint8Array): boolean {
  return there !== undefined && Buffer.compare(there, wanted) === 0;
}

/** The number of an error, 0 for none; throws it when it is one of the target. */
function requireAlive(number: number): number {
  const code = number === 0 ? '' : getSystemErrorName(-number);
  if (failures.has(code)) throw Object.assign(new Error(`${code}: attributes cannot be set`), { code });
  return number;
}
