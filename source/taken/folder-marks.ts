import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { fromText, toBytes } from '../../entry/byte-string.js';
import type { TakenOptions } from '../../entry/tally.js';
import { readUnfollowed } from '../../disk/open-flags.js';

/** The name and the first bytes of a tag, as https://bford.info/cachedir/ has them. */
const tagName = 'CACHEDIR.TAG';
const signature = 'Signature: 8a477f597d28d172789f06886806bc55';

/** What marks a folder as one whose contents are left out. */
export interface FolderMark {
  /** The entry that says so, which is taken. A byte string. */
  name: string;
  /** `cache`, or the place of the name in `excludeIfPresent`. */
  by: 'cache' | number;
}

/** Finds the mark of a folder by the names in it; undefined where none is asked for, so that nothing is looked for. */
export function markFinder(
  options: TakenOptions,
): ((folder: Buffer, names: readonly string[]) => FolderMark | undefined) | undefined {
  const present = (options.excludeIfPresent ?? []).map(fromText);
  const caches = options.excludeCaches === true;
  if (!caches && present.length === 0) return undefined;
  return (folder, names) => {
    if (caches && names.includes(tagName) && isCacheTag(Buffer.concat([folder, toBytes(tagName)])))
      return { name: tagName, by: 'cache' };
    const by = present.findIndex((name) => names.includes(name));
    return by === -1 ? undefined : { name: present[by] ?? '', by };
  };
}

/** True for a regular file that begins with the signature; a link is none, says the specification. */
function isCacheTag(file: Buffer): boolean {
  let fd: number | undefined;
  try {
    // A pipe of that name must not be waited for.
    fd = openSync(file, readUnfollowed);
    if (!fstatSync(fd).isFile()) return false;
    const begin = Buffer.alloc(signature.length);
    return readSync(fd, begin, 0, begin.length, 0) === begin.length && begin.toString('latin1') === signature;
  } catch {
    return false;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}
