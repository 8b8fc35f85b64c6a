import { toBytes } from '../../entry/byte-string.js';

/**
 * Sorts directly after all names that begin with `name/`: `0` comes after `/`.
 *
 * @param name a member name without a trailing `/`, not empty.
 */
export function afterFolder(name: string): string {
  return `${name}0`;
}

/** The paths of a folder and of all that is below it: from the first to before the second. */
export function folderRange(name: string): [from: Uint8Array, before: Uint8Array] {
  return [toBytes(`${name}/`), toBytes(afterFolder(name))];
}
