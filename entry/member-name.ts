import { english } from '../messages/sentence.js';
import { fromText, toBytes } from './byte-string.js';

/**
 * The member name of an absolute path, both byte strings: the path without its leading `/`; on Windows `C:\a` is `C/a`.
 */
export function memberNameOf(absolutePath: string, platform: NodeJS.Platform): string {
  if (platform === 'win32') {
    const plain = absolutePath.replaceAll('\\', '/');
    const drive = /^([A-Za-z]):/.exec(plain);
    if (drive?.[1] !== undefined) return `${drive[1].toUpperCase()}${plain.slice(2)}`.replace(/\/+$/, '');
    // A network share, `\\server\share\a`: `UNC` keeps it apart from drive letters.
    return `UNC/${plain.replace(/^\/+/, '')}`.replace(/\/+$/, '');
  }
  return absolutePath.replace(/^\/+/, '').replace(/\/+$/, '');
}

/** The path on this machine that a member came from, for the file system's calls; the inverse of `memberNameOf`. */
export function sourcePathOf(memberName: string, platform: NodeJS.Platform): Buffer {
  const name = plainName(memberName);
  if (platform !== 'win32') return toBytes(`/${name}`);
  const path = name.startsWith('UNC/')
    ? `\\\\${name.slice(4)}`
    : `${name.slice(0, 1)}:${name.slice(1) || '/'}`;
  return toBytes(path.replaceAll('/', '\\'));
}

/** The member name of a path that a person gave as text. */
export function memberNameOfText(absolutePath: string, platform: NodeJS.Platform): string {
  return memberNameOf(fromText(absolutePath), platform);
}

/** A member name without the `/` at the end of a folder's. */
export function plainName(name: string): string {
  return name.endsWith('/') ? name.slice(0, -1) : name;
}

/** A name without its first parts, as `tar --strip-components` has it; undefined when nothing is left. */
export function strippedName(name: string, strip: number): string | undefined {
  let from = 0;
  for (let left = strip; left > 0; left -= 1) {
    from = name.indexOf('/', from) + 1;
    if (from === 0) return undefined;
  }
  return from === name.length ? undefined : name.slice(from);
}

/** True for a name that is one of some, or below one; those are without a trailing `/`. */
export function isInOrBelow(names: ReadonlySet<string>, name: string): boolean {
  if (names.has(plainName(name))) return true;
  for (const above of parentNames(name)) if (names.has(above)) return true;
  return false;
}

/** The names of the folders above a member, nearest first, without a trailing `/`. */
export function* parentNames(name: string): Generator<string> {
  for (let end = name.lastIndexOf('/', name.length - 2); end > 0; end = name.lastIndexOf('/', end - 1))
    yield name.slice(0, end);
}

/**
 * Why a member name that was read from a tape must not be used as a path; undefined when it is safe. Manifests and
 * archives can be forged: no absolute names, no `.` or `..`, no empty parts, no NUL.
 */
export function unsafeNameReason(name: string): string | undefined {
  const plain = plainName(name);
  if (plain === '') return english`is empty`;
  if (plain.includes('\0')) return english`holds a NUL`;
  for (const part of plain.split('/')) {
    if (part === '') return english`is absolute or has an empty part`;
    if (part === '.' || part === '..') return english`has the part ${part}`;
  }
  return undefined;
}
