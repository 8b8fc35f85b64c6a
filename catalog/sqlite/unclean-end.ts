import { readFileSync, statSync } from 'node:fs';
import type Database from 'better-sqlite3';
import { english } from '../../messages/sentence.js';
import { TapeflowFailure } from '../../config/failures.js';

/**
 * True when the catalog was not closed properly, after a kill or a power cut: its log, which the last process to close
 * it would remove, still exists, and nobody has the catalog open. Only Linux can tell, by its list of locks; elsewhere
 * this is false, and `doctor` checks the catalog.
 */
export function endedUncleanly(file: string): boolean {
  if (process.platform !== 'linux') return false;
  try {
    if (statSync(`${file}-wal`).size === 0) return false;
    // By inode number alone: on some file systems the list shows another device.
    const inode = new RegExp(`:${statSync(file, { bigint: true }).ino} `);
    return !inode.test(readFileSync('/proc/locks', 'utf8'));
  } catch {
    return false;
  }
}

/** Reads the whole catalog and checks its structure, about a second for each GB: `ok`, or what is damaged. */
export function verdictOn(database: Database.Database): string {
  return database.pragma('quick_check(1)', { simple: true }) as string;
}

/** The same; throws `CatalogDamaged`. */
export function requireSound(database: Database.Database, file: string): void {
  const verdict = verdictOn(database);
  if (verdict === 'ok') return;
  throw new TapeflowFailure(
    'CatalogDamaged',
    english`The catalog ${file} is damaged: ${verdict.split('\n').join(' ')}.`,
    {
      advice: english`Put a copy back with \`tapeflow catalog restore FILE\`, or see "The catalog is lost"
 in docs/recovery.md.`,
    },
  );
}
