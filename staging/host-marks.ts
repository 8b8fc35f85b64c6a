import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';

/** A host, by its name and the id of its data folder. */
interface Marked {
  name: string;
  id: string;
}

const marksFolder = (root: string) => path.join(root, 'hosts');

/**
 * Leaves a host's mark in its staging folder: a small file of its name. Nothing is made where the staging folder is
 * missing, which may be a mount that is absent.
 *
 * @returns what the mark says; null: it could not be left, since the folder is missing.
 */
export async function leaveMark(root: string, { name, id }: Marked): Promise<string | null> {
  const file = path.join(marksFolder(root), name);
  if ((await markOf(root, name)) === id) return id;
  // Each host makes it when it is its first to write there; a missing one may be an absent mount.
  if ((await stat(root).catch(() => undefined)) === undefined) return null;
  await mkdir(marksFolder(root), { recursive: true, mode: 0o700 });
  const part = `${file}.${process.pid}.part`;
  await writeFile(part, id, { mode: 0o600 });
  await rename(part, file);
  return id;
}

/** Removes the mark of a host that is no more. */
export async function forgetMark(root: string, name: string): Promise<void> {
  await rm(path.join(marksFolder(root), name), { force: true });
}

/** The names of those hosts whose marks are not in the staging folder of this one. */
export async function unseenMarks(root: string, others: readonly Marked[]): Promise<string[]> {
  const unseen: string[] = [];
  for (const { name, id } of others) if ((await markOf(root, name)) !== id) unseen.push(name);
  return unseen;
}

async function markOf(root: string, name: string): Promise<string | undefined> {
  return readFile(path.join(marksFolder(root), name), 'utf8').catch(() => undefined);
}
