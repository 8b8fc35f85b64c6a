import { statfsSync } from 'node:fs';
import path from 'node:path';
import { english } from '../../messages/sentence.js';
import { nodeMismatch } from '../../config/node-mismatch.js';
import { TapeflowFailure, systemErrorCode } from '../../config/failures.js';

/** SQLite's codes for a damaged or foreign catalog file. */
const damage = new Set(['SQLITE_CORRUPT', 'SQLITE_NOTADB']);
/** Another process holds the catalog's write lock. */
const busy = new Set(['SQLITE_BUSY', 'SQLITE_LOCKED', 'SQLITE_PROTOCOL']);
/** Temporary conditions of the catalog or its disk; a transaction that met one has changed nothing. */
const outOfReach = new Set([...busy, 'SQLITE_FULL', 'SQLITE_IOERR', 'SQLITE_CANTOPEN', 'SQLITE_READONLY']);

/** SQLite's primary result code of an error (`SQLITE_IOERR` of `SQLITE_IOERR_FSYNC`); empty for any other error. */
function primaryCode(error: unknown): string {
  const code = systemErrorCode(error) ?? '';
  return code.startsWith('SQLITE_') ? code.split('_').slice(0, 2).join('_') : '';
}

/** True for SQLite's refusal while another process writes. */
export function isCatalogBusy(error: unknown): boolean {
  return busy.has(primaryCode(error));
}

/**
 * True when the catalog cannot be used now, but may be later: busy, its disk full, failing or read-only. Not for
 * damage, nor for a file that was moved away under an open connection.
 */
export function isCatalogOutOfReach(error: unknown): boolean {
  return outOfReach.has(primaryCode(error)) && systemErrorCode(error) !== 'SQLITE_READONLY_DBMOVED';
}

/** True when this user, or this connection, may not write to the catalog. */
export function isCatalogReadOnly(error: unknown): boolean {
  return primaryCode(error) === 'SQLITE_READONLY';
}

/** `statfs` types of network file systems, where locks and shared memory may not work. */
const networkFileSystems = new Map([
  [0x6969, 'NFS'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB'],
  [0x01021997, '9P'],
]);

/** The name of the network file system that a file is on; undefined when it is on a local one. */
function networkFileSystemOf(file: string): string | undefined {
  try {
    return networkFileSystems.get(statfsSync(path.dirname(file)).type);
  } catch {
    return undefined;
  }
}

/** SQLite's codes for a file system that lacks what it needs. */
const noSharedMemory = /^SQLITE_IOERR_(SHM\w+|LOCK|UNLOCK|RDLOCK|CHECKRESERVEDLOCK)$|^SQLITE_NOLFS$/;

/** A failure with one sentence for an error of the catalog's file; other errors are returned unchanged. */
export function catalogFailure(error: unknown, file: string): unknown {
  const otherNode = nodeMismatch(error);
  if (otherNode !== undefined) return otherNode;
  const code = systemErrorCode(error) ?? '';
  const base = primaryCode(error);
  const failure = (name: string, message: string, advice: string) =>
    new TapeflowFailure(name, message, {
      advice,
      cause: error,
      ...(isCatalogOutOfReach(error) ? { kind: 'transient' } : {}),
    });
  if (damage.has(base)) {
    return failure(
      'CatalogDamaged',
      english`The catalog ${file} is damaged (${code}).`,
      english`Nothing was changed; see "The catalog is lost" in docs/recovery.md.`,
    );
  }
  const network = busy.has(base) || noSharedMemory.test(code) ? networkFileSystemOf(file) : undefined;
  if (noSharedMemory.test(code)) {
    return failure(
      'CatalogUnusable',
      network === undefined
        ? english`The file system of the catalog ${file} cannot do what SQLite needs: shared memory and locks
            (${code}).`
        : english`The file system of the catalog ${file} (${network}) cannot do what SQLite needs: shared memory
            and locks (${code}).`,
      english`Put it on a disk of this machine: set CATALOG_URL or TAPEFLOW_DATA_DIR.`,
    );
  }
  if (busy.has(base) && network !== undefined) {
    return failure(
      'CatalogBusy',
      english`The catalog ${file} is locked by another process, or its
        network file system (${network}) has no locks (${code}).`,
      english`End whatever holds it; if nothing does, put it on a disk of this machine:
 set CATALOG_URL or TAPEFLOW_DATA_DIR.`,
    );
  }
  if (busy.has(base)) {
    return failure(
      'CatalogBusy',
      english`The catalog ${file} is locked by another process (${code}).`,
      english`Sets wait and go on by themselves; end whatever holds it, such as a
 database tool with an open transaction.`,
    );
  }
  if (base === 'SQLITE_FULL') {
    return failure(
      'CatalogDiskFull',
      english`The disk of the catalog ${file} is full.`,
      english`Make room there; sets wait and go on by themselves.`,
    );
  }
  if (base === 'SQLITE_IOERR') {
    return failure(
      'CatalogUnreadable',
      english`The disk of the catalog ${file} fails (${code}).`,
      english`Check the disk; sets wait and go on by themselves.`,
    );
  }
  if (base === 'SQLITE_CANTOPEN' || base === 'SQLITE_READONLY' || code === 'EACCES' || code === 'EROFS') {
    return failure(
      'CatalogUnusable',
      english`The catalog ${file} cannot be opened for writing (${code}).`,
      english`Check the folder and its permissions, or set CATALOG_URL or TAPEFLOW_DATA_DIR.`,
    );
  }
  return error;
}
