import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { english } from '../../messages/sentence.js';
import { TapeflowFailure } from '../../config/failures.js';
import { makeReadableFile } from '../../config/shared-group.js';
import { isBefore } from './generation.js';

/** What is recorded beside the catalog, so that an older one put in its place is noticed. */
export interface NewestSeen {
  generation: number;
  installation: string;
  at: string;
}

const newestFile = (file: string) => `${file}-newest.json`;

/**
 * Records beside the catalog how far it has come. Called after a durable commit, so the record is never ahead; if it
 * cannot be written, an older catalog is only noticed later.
 */
export function noteNewest(file: string, generation: number, installation: string): void {
  const part = `${newestFile(file)}.${process.pid}.part`;
  const seen: NewestSeen = { generation, installation, at: new Date().toISOString() };
  try {
    makeReadableFile(part);
    writeFileSync(part, JSON.stringify(seen), { mode: 0o600 });
    renameSync(part, newestFile(file));
  } catch {
    rmSync(part, { force: true });
  }
}

/** Forgets how far the catalog had come, because another is put in its place. */
export function forgetNewest(file: string): void {
  rmSync(newestFile(file), { force: true });
}

/** How far the catalog had come when that was last recorded; undefined if never. */
export function newestSeen(file: string): NewestSeen | undefined {
  try {
    const seen = JSON.parse(readFileSync(newestFile(file), 'utf8')) as Partial<NewestSeen>;
    const { generation, installation, at } = seen;
    if (typeof generation !== 'number' || typeof installation !== 'string') return undefined;
    return { generation, installation, at: String(at) };
  } catch {
    return undefined;
  }
}

/**
 * Throws `CatalogOlder` when a newer catalog of the same installation was here before.
 *
 * @param read reads the catalog, after what is recorded beside it: others commit meanwhile, and record that.
 */
export function requireNewest(
  file: string,
  read: () => { generation: number; installation: string | undefined },
): void {
  const seen = newestSeen(file);
  if (seen === undefined) return;
  const { generation, installation } = read();
  if (seen.installation !== installation || !isBefore(generation, seen.generation)) return;
  throw new TapeflowFailure(
    'CatalogOlder',
    english`The catalog ${file} is an older one (change ${generation}) than was in its place
      (change ${seen.generation}, ${seen.at}): what was backed up since is not in it.`,
    {
      advice: english`If no newer copy is left, \`tapeflow catalog restore ${file}\` takes it as it
          is, and \`tapeflow tape catalog\` reads from the tapes what is newer.`,
    },
  );
}

/** Marker file beside the catalog while a copy is put in its place. */
export function restoringFile(file: string): string {
  return `${file}-restoring`;
}

/** Throws `CatalogRestoring` while the catalog is being replaced by a copy, or when that was interrupted. */
export function requireNotRestoring(file: string): void {
  if (!existsSync(restoringFile(file))) return;
  throw new TapeflowFailure(
    'CatalogRestoring',
    english`A copy was being put in place of the catalog ${file}, and that has not ended.`,
    {
      kind: 'transient',
      advice: english`If no \`tapeflow catalog restore\` runs, run it again with the same file: it starts over.`,
    },
  );
}
