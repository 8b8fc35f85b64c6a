import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { english } from '../messages/sentence.js';
import { isPostgres } from '../config/catalog-url.js';
import type { Settings } from '../config/settings/settings.js';
import { truePath } from './true-path.js';

/** A folder that tapeflow uses itself. */
export interface OwnFolder {
  /** With links resolved, as far as it exists. */
  path: string;
  /** For sentences: `the data folder`. */
  what: string;
}

type Places = Pick<Settings, 'TAPEFLOW_DATA_DIR' | 'BACKUP_COMPRESS_DIR' | 'TAPEFLOW_LOCK_DIR' | 'drives'>;

/** tapeflow's own folders: nothing is restored into them, and nothing in them is backed up. */
export function ownFolders(settings: Places): OwnFolder[] {
  const {
    TAPEFLOW_DATA_DIR: data,
    BACKUP_COMPRESS_DIR: staging,
    TAPEFLOW_LOCK_DIR: locks,
    drives,
  } = settings;
  return [
    // A folder that may lie inside another one comes first: it is more specific.
    ...drives.map((drive) => ({ path: drive.path, what: english`the tape folder of drive ${drive.name}` })),
    { path: staging, what: english`the staging folder` },
    { path: locks, what: english`the lock folder` },
    { path: data, what: english`the data folder` },
  ].map((folder) => ({ ...folder, path: truePath(folder.path) }));
}

/**
 * tapeflow's own folders and files by device and inode, so that they are recognised through a bind mount or a link too.
 * Includes the catalog and the log, wherever they are.
 */
export function ownEntries(
  settings: Places & Pick<Settings, 'CATALOG_URL' | 'LOG_FILE'>,
): Record<string, string> {
  const { CATALOG_URL: catalog, LOG_FILE: log } = settings;
  const endings = isPostgres(catalog) ? [] : ['', '-wal', '-shm'];
  const files = endings.map((end) => ({ path: `${catalog}${end}`, what: english`the catalog` }));
  if (log !== undefined) files.push({ path: log, what: english`the log` });
  const ids: Record<string, string> = {};
  for (const { path: at, what } of [...files, ...ownFolders(settings)]) {
    const id = mountId(at) ?? idAt(at);
    if (id !== undefined) ids[id] ??= what;
  }
  return ids;
}

/** Which of tapeflow's own folders or files an entry is; undefined when it is none. */
export function describeOwnEntry(ids: Record<string, string>, { dev, ino }: Looked): string | undefined {
  return ids[entryId({ dev, ino })] ?? ids[onDevice(dev)];
}

/**
 * The own folder that a path is or lies in, also through links; undefined when there is none. The path need not exist.
 */
export function ownFolderAround(settings: Places, given: string): OwnFolder | undefined {
  const folders = ownFolders(settings);
  const above = [...pathAndAbove(truePath(given))];
  // Paths are compared first: a hanging tape answers no `stat`.
  for (const at of above) {
    const found = folders.find((folder) => folder.path === at);
    if (found !== undefined) return found;
  }
  const own = folders.map((folder) => ({ folder, id: mountId(folder.path) ?? idAt(folder.path) }));
  for (const at of above) {
    const there = lookAt(at);
    if (there === undefined) continue;
    const ids = [entryId(there), onDevice(there.dev)];
    const found = own.find(({ id }) => id !== undefined && ids.includes(id));
    if (found !== undefined) return found.folder;
  }
  return undefined;
}

function* pathAndAbove(given: string): Generator<string> {
  for (let at = given; ; at = path.dirname(at)) {
    yield at;
    if (path.dirname(at) === at) return;
  }
}

interface Looked {
  dev: bigint | number;
  ino: bigint | number;
}

function entryId({ dev, ino }: Looked): string {
  return `${dev}:${ino}`;
}

/** Id that stands for everything on a device. */
function onDevice(dev: bigint | number): string {
  return `${dev}:*`;
}

function idAt(at: string): string | undefined {
  const there = lookAt(at);
  return there === undefined ? undefined : entryId(there);
}

function lookAt(at: string): Looked | undefined {
  try {
    return statSync(at, { bigint: true, throwIfNoEntry: false });
  } catch {
    // Below a folder that cannot be read; whatever needs it will report that.
    return undefined;
  }
}

/**
 * Id of everything on a user-space file system, such as LTFS, mounted at a folder; undefined when none is. Reads the
 * system's mount table, since a hanging mount answers no `stat`.
 */
function mountId(folder: string): string | undefined {
  if (process.platform !== 'linux') return undefined;
  let found: string | undefined;
  for (const line of readFileSync('/proc/self/mountinfo', 'utf8').split('\n')) {
    const [, , device = '', , at = ''] = line.split(' ');
    const [, type = ''] = line.split(' - ');
    const plain = at.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));
    if (plain !== folder) continue;
    const [major = 0n, minor = 0n] = device.split(':').map(BigInt);
    // As `makedev` of glibc packs them.
    const dev = (minor & 0xffn) | ((major & 0xfffn) << 8n) | ((minor & ~0xffn) << 12n);
    found = type.startsWith('fuse') ? onDevice(dev) : undefined;
  }
  return found;
}
