import { getSystemErrorName } from 'node:util';
import { displayName, fromBytes } from '../../entry/byte-string.js';
import { aclNames, attributesFrom, type Attributes, type RawAttribute } from '../../entry/attributes.js';
import { aclText } from '../../entry/posix-acl.js';
import { loadAddon, type Xattr } from '../../native/addon.js';
import { english } from '../../messages/sentence.js';

/** What an entry has of attributes. */
export interface ReadAttributes {
  attributes: Attributes | undefined;
  /** Why some of them could not be read, as the rest of a sentence on the entry; undefined when all were. */
  lacks: string | undefined;
}

/** What nearly every entry has. */
const none: ReadAttributes = { attributes: undefined, lacks: undefined };
const noPath = new Uint8Array();
const readXattrs = loadAddon()?.readXattrs;

/** The attributes and ACLs of an open file; none where the native part is missing, without which nothing reads them. */
export function attributesOfOpen(fd: number): ReadAttributes {
  return understood(readXattrs?.(fd, noPath) ?? null);
}

/** The same of what is at a path, without following or opening it. */
export function attributesAt(path: Uint8Array): ReadAttributes {
  return understood(readXattrs?.(-1, path) ?? null);
}

/** Exported for tests: the system gives nobody a value that it does not read. */
export function understood(found: readonly Xattr[] | null): ReadAttributes {
  if (found === null) return none;
  const read: RawAttribute[] = [];
  const lacking: string[] = [];
  for (const { name, value, error } of found) {
    const shown = displayName(fromBytes(name));
    const isAcl = shown === aclNames.accessAcl || shown === aclNames.defaultAcl;
    if (value === undefined) lacking.push(lackOf(shown, reasonOf(error)));
    else if (isAcl && aclText(value) === undefined) lacking.push(lackOf(shown, english`of an unknown form`));
    else read.push({ name, value });
  }
  const lacks = lacksText(lacking);
  return { attributes: attributesFrom(read), lacks };
}

function lacksText([first, ...others]: readonly string[]): string | undefined {
  if (first === undefined) return undefined;
  return others.length === 0
    ? english`is stored without ${first}`
    : english`is stored without ${first} and ${others.join(' and ')}`;
}

function lackOf(shown: string, why: string): string {
  return shown === '' ? english`its attributes (${why})` : english`its attribute ${shown} (${why})`;
}

function reasonOf(error = 0): string {
  const code = getSystemErrorName(-error);
  const words: Record<string, string> = {
    E2BIG: english`more than the system reads, E2BIG`,
    EACCES: english`permission denied, EACCES`,
    EPERM: english`operation not permitted, EPERM`,
    EIO: english`input/output error, EIO`,
  };
  return words[code] ?? code;
}
