import type Database from 'better-sqlite3';

/**
 * The catalog counts its commits, in SQLite's `user_version`: a number of 32 bits in the first page of the file, which
 * stands in the log (`-wal`) too, so that both can be compared before SQLite combines them. It wraps around after 2^32
 * commits.
 */
export const generationAt = 60;

/** Counts a commit, inside the transaction to be committed, and returns its number. */
export function countCommit(database: Database.Database): number {
  const next = (generationOf(database) + 1) | 0;
  database.exec(`pragma user_version = ${next}`);
  return next;
}

/** The number of the newest commit. */
export function generationOf(database: Database.Database): number {
  return database.pragma('user_version', { simple: true }) as number;
}

/** True when one number comes before another, considering wrap-around. */
export function isBefore(one: number, other: number): boolean {
  return ((one - other) | 0) < 0;
}
