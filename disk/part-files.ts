import { lstatSync, readdirSync, rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { systemErrorCode } from '../config/failures.js';

/** True for the name of an incomplete `name`, of any attempt. */
export function isPartOf(found: string, name: string): boolean {
  return found.startsWith(`${name}.`) && found.endsWith('.part');
}

/** Deletes the `.part` files that dead attempts have left of the given names, with one listing of the folder. */
export async function removeParts(folder: string, ...names: readonly string[]): Promise<void> {
  for (const found of partsOf(folder, ...names)) await rm(path.join(folder, found), { force: true });
}

/**
 * Names of the `.part` files of some names; none when the folder does not exist. Folders of such a name are ignored.
 */
export function partsOf(folder: string, ...names: readonly string[]): string[] {
  return filesIn(folder, (found) => names.some((name) => isPartOf(found, name)));
}

/**
 * The wanted files in a folder, without folders; none when it does not exist. Types are looked up only for these: a
 * set's folder on a tape holds thousands of others.
 */
function filesIn(folder: string, isWanted: (name: string) => boolean): string[] {
  try {
    return readdirSync(folder)
      .filter(isWanted)
      .filter(
        (found) => lstatSync(path.join(folder, found), { throwIfNoEntry: false })?.isDirectory() === false,
      );
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

/** Deletes the named files that exist and their `.part` files, with one listing of the folder. */
export function removeAllSync(folder: string, names: readonly string[]): void {
  const isWanted = (found: string) => names.some((name) => found === name || isPartOf(found, name));
  for (const found of filesIn(folder, isWanted)) rmSync(path.join(folder, found), { force: true });
}
