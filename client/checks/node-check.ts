import Database from 'better-sqlite3';
import lt from 'semver/functions/lt.js';
import { nodeMismatch } from '../../config/node-mismatch.js';
import type { Check } from './disk-checks.js';
import { english } from '../../messages/sentence.js';

/** Older SQLite versions can corrupt a WAL database used by several processes (the WAL-reset bug). */
const oldestSqlite = '3.51.3';
const what = english`Node`;

/** Node and the SQLite that it loads, without which nothing else can be checked. */
export function checkNode(): Check {
  let version: string;
  try {
    const sqlite = new Database(':memory:');
    version = sqlite.prepare('select sqlite_version()').pluck().get() as string;
    sqlite.close();
  } catch (error) {
    const failure = nodeMismatch(error);
    if (failure === undefined) throw error;
    return { what, level: 'trouble', finding: failure.message, advice: failure.advice };
  }
  const wrong = lt(version, oldestSqlite);
  return {
    what,
    level: wrong ? 'trouble' : 'ok',
    finding: english`${process.version} on ${process.platform}-${process.arch}, SQLite ${version}`,
    advice: wrong ? english`Use SQLite ${oldestSqlite} or newer (\`npm ci\`).` : undefined,
  };
}
