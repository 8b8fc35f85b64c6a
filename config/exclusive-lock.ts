import { mkdirSync, readFileSync, statSync, writeFileSync, chmodSync, utimesSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import Database from 'better-sqlite3';
import { TapeflowFailure, systemErrorCode } from './failures.js';

/** Who holds a lock: written beside it for people, never trusted for the locking itself. */
export interface LockHolder {
  pid: number;
  host: string;
  user: string;
  role: string;
  dataDir: string;
  since: string;
}

export interface ExclusiveLock {
  /** Throws `LockLost` when the lock's file is no longer the one that was locked (deleted or replaced). */
  check(): void;
  release(): void;
}

/**
 * Takes a lock that the operating system drops when its holder dies, also after SIGKILL: a small SQLite file held in
 * `BEGIN EXCLUSIVE` (file locks of the system on Linux, macOS and Windows). Never waits.
 *
 * @returns the lock, or the holder that was written down (undefined when unreadable) when somebody else has it.
 */
export function tryLock(
  file: string,
  holder: Pick<LockHolder, 'role' | 'dataDir'>,
): { lock: ExclusiveLock } | { heldBy: LockHolder | undefined } {
  makeLockDir(path.dirname(file));
  const database = new Database(file, { timeout: 0 });
  try {
    // Not WAL: its locks are per page of shared memory; a rollback journal locks the file itself.
    database.pragma('journal_mode = DELETE');
    database.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    if (systemErrorCode(error)?.startsWith('SQLITE_BUSY') === true) return { heldBy: readHolder(file) };
    throw new TapeflowFailure('LockUnusable', `The lock file ${file} cannot be used: ${String(error)}.`, {
      advice: 'Delete it if no tapeflow process runs on this machine.',
      cause: error,
    });
  }
  openToEveryone(file);
  const locked = statSync(file, { bigint: true });
  writeHolder(file, holder);
  return {
    lock: {
      check() {
        const now = statSync(file, { bigint: true, throwIfNoEntry: false });
        if (now === undefined || now.ino !== locked.ino || now.dev !== locked.dev) {
          throw new TapeflowFailure(
            'LockLost',
            `The lock file ${file} was removed or replaced while it was held.`,
          );
        }
      },
      release() {
        if (database.open) database.close();
      },
    },
  };
}

/** A sentence part that names the holder: `pid 4711 (tape worker) of user root, data folder /srv/tapeflow`. */
export function describeHolder(holder: LockHolder | undefined): string {
  if (holder === undefined) return 'another process';
  const where = holder.host === os.hostname() ? '' : ` on ${holder.host}`;
  return `pid ${holder.pid} (${holder.role})${where} of user ${holder.user}, data folder ${holder.dataDir}, since ${holder.since}`;
}

/** Marks the lock as in use for cleaners of old files in /tmp (systemd-tmpfiles looks at times). */
export function touchLock(file: string): void {
  const now = new Date();
  try {
    utimesSync(file, now, now);
  } catch (error) {
    // Another user may own the file; the check of the inode finds out when it is deleted.
    if (systemErrorCode(error) !== 'EPERM' && systemErrorCode(error) !== 'ENOENT') throw error;
  }
}

function makeLockDir(dir: string): void {
  if (mkdirSync(dir, { recursive: true }) !== undefined) {
    // Shared by all users of the machine. Not sticky: Linux (fs.protected_regular) would refuse even root to open
    // the lock of another user in a sticky folder. A removed lock is noticed by `check`.
    if (process.platform !== 'win32') chmodSync(dir, 0o777);
  }
}

function openToEveryone(file: string): void {
  try {
    if (process.platform !== 'win32') chmodSync(file, 0o666);
  } catch (error) {
    if (systemErrorCode(error) !== 'EPERM') throw error;
  }
}

function holderFile(file: string): string {
  return `${file}.holder.json`;
}

function writeHolder(file: string, holder: Pick<LockHolder, 'role' | 'dataDir'>): void {
  const full: LockHolder = {
    pid: process.pid,
    host: os.hostname(),
    user: os.userInfo().username,
    since: new Date().toISOString(),
    ...holder,
  };
  writeFileSync(holderFile(file), JSON.stringify(full));
  openToEveryone(holderFile(file));
}

/** The holder written down beside a lock; undefined when there is none that can be read. */
export function readHolder(file: string): LockHolder | undefined {
  try {
    return JSON.parse(readFileSync(holderFile(file), 'utf8')) as LockHolder;
  } catch {
    return undefined;
  }
}
