import {
  type BigIntStats,
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  lstatSync,
  lutimesSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import Database from 'better-sqlite3';
import { english } from '../messages/sentence.js';
import { TapeflowFailure, describeError, systemErrorCode } from '../config/failures.js';
import { makeReadableFolders } from '../config/shared-group.js';
import { nodeMismatch } from '../config/node-mismatch.js';
import { readUnfollowed } from './open-flags.js';

/** Who holds a lock: written beside it for people, never used for the locking itself. */
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
 * Takes a lock that the operating system releases when its holder dies, even by SIGKILL: a small SQLite file held in
 * `BEGIN EXCLUSIVE` (system file locks on Linux, macOS and Windows). Never waits, and follows no symbolic link at any
 * of its files.
 *
 * @returns the lock, or the recorded holder (undefined when unreadable) when somebody else has it.
 */
export function tryLock(
  file: string,
  holder: Pick<LockHolder, 'role' | 'dataDir'>,
): { lock: ExclusiveLock } | { heldBy: LockHolder | undefined } {
  const unusable = (why: string, cause?: unknown) =>
    new TapeflowFailure('LockUnusable', english`The lock file ${file} cannot be used: ${why}.`, {
      advice: english`Delete it if no tapeflow process runs on this machine.`,
      cause,
    });
  let database: Database.Database | undefined;
  let locked: BigIntStats;
  try {
    makeReadableFolders(path.dirname(file));
    const strange = prepareFile(file);
    if (strange !== undefined) throw unusable(strange);
    database = new Database(file, { timeout: 0 });
    // Not WAL: its locks are per page of shared memory; a rollback journal locks the file itself.
    database.pragma('journal_mode = DELETE');
    database.exec('BEGIN EXCLUSIVE');
    locked = lstatSync(file, { bigint: true });
    noteHolder(file, holder);
  } catch (error) {
    // What comes after the lock may fail too; a lock that was never returned would be held for ever.
    database?.close();
    if (error instanceof TapeflowFailure) throw error;
    const otherNode = nodeMismatch(error);
    if (otherNode !== undefined) throw otherNode;
    const code = systemErrorCode(error);
    if (code?.startsWith('SQLITE_BUSY') === true) return { heldBy: readHolder(file) };
    throw unusable(code?.startsWith('SQLITE_') === true ? whyNot(code) : describeError(error), error);
  }
  return {
    lock: {
      check() {
        const now = lstatSync(file, { bigint: true, throwIfNoEntry: false });
        if (now === undefined || now.ino !== locked.ino || now.dev !== locked.dev) {
          throw new TapeflowFailure(
            'LockLost',
            english`The lock file ${file} was removed or replaced while it was held.`,
          );
        }
      },
      release() {
        if (database?.open === true) database.close();
      },
    },
  };
}

/** A sentence part that names the holder: `pid 4711 (tape worker) of user root, data folder /srv/tapeflow`. */
export function describeHolder(holder: LockHolder | undefined): string {
  if (holder === undefined) return english`another process`;
  const { pid, role, host, user, dataDir, since } = holder;
  return host === os.hostname()
    ? english`pid ${pid} (${role}) of user ${user}, data folder ${dataDir}, since ${since}`
    : english`pid ${pid} (${role}) on ${host} of user ${user}, data folder ${dataDir}, since ${since}`;
}

/** Marks the lock as in use, for cleaners of old files in /tmp (systemd-tmpfiles checks file times). */
export function touchLock(file: string): void {
  const now = new Date();
  try {
    lutimesSync(file, now, now);
  } catch (error) {
    // Another user may own the file; the check of the inode finds out when it is deleted.
    if (systemErrorCode(error) !== 'EPERM' && systemErrorCode(error) !== 'ENOENT') throw error;
  }
}

/** What an SQLite error on a lock means, as part of a sentence. */
function whyNot(code: string): string {
  if (code === 'SQLITE_CANTOPEN' || code.startsWith('SQLITE_READONLY'))
    return english`this user may not write it (${code})`;
  if (code.startsWith('SQLITE_IOERR') || code === 'SQLITE_PROTOCOL')
    return english`its file system has no working locks, as on some network file systems (${code})`;
  return code;
}

/**
 * Creates a lock's file if there is none, and says why an existing one must not be used. An existing file is never
 * opened: closing it would release a lock that another connection of this process may hold.
 */
function prepareFile(file: string): string | undefined {
  const there = lstatSync(file, { throwIfNoEntry: false });
  if (there === undefined) {
    try {
      closeSync(createFile(file));
    } catch (error) {
      // Another process was quicker.
      if (systemErrorCode(error) !== 'EEXIST') throw error;
    }
    return undefined;
  }
  if (!there.isFile()) return english`it is a symbolic link or a folder, and no file`;
  return there.nlink > 1 ? english`it is a hard link to another file` : undefined;
}

/** A new private file; in a group's folder, where users share a drive, for the group too. */
function createFile(file: string): number {
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | (constants.O_NOFOLLOW ?? 0);
  const fd = openSync(file, flags, 0o600);
  const ofGroup = (lstatSync(path.dirname(file)).mode & 0o020) !== 0;
  if (ofGroup && process.platform !== 'win32') fchmodSync(fd, 0o660);
  return fd;
}

function holderFile(file: string): string {
  return `${file}.holder.json`;
}

/** Throws `LockUnusable` when the holder cannot be recorded, for example on a full disk. */
function noteHolder(file: string, holder: Pick<LockHolder, 'role' | 'dataDir'>): void {
  try {
    writeHolder(file, holder);
  } catch (cause) {
    const why = english`who holds the lock cannot be written to ${holderFile(file)}: ${describeError(cause)}`;
    throw new TapeflowFailure('LockUnusable', english`The lock file ${file} cannot be used: ${why}.`, {
      advice: english`Its folder must be writable, and have room for a small file.`,
      cause,
    });
  }
}

function writeHolder(file: string, holder: Pick<LockHolder, 'role' | 'dataDir'>): void {
  const full: LockHolder = {
    pid: process.pid,
    host: os.hostname(),
    user: os.userInfo().username,
    since: new Date().toISOString(),
    ...holder,
  };
  // A new file is renamed over the old one: nothing is written through a link.
  const part = `${holderFile(file)}.${process.pid}.part`;
  rmSync(part, { force: true });
  const fd = createFile(part);
  try {
    writeFileSync(fd, JSON.stringify(full));
  } finally {
    closeSync(fd);
  }
  renameSync(part, holderFile(file));
}

/** The holder recorded beside a lock; undefined when there is none that can be read. */
export function readHolder(file: string): LockHolder | undefined {
  let fd: number | undefined;
  try {
    fd = openSync(holderFile(file), readUnfollowed);
    return fstatSync(fd).isFile() ? (JSON.parse(readFileSync(fd, 'utf8')) as LockHolder) : undefined;
  } catch {
    return undefined;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}
