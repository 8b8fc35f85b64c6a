import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import path from 'node:path';
import { catalogFailure } from '../../catalog/catalog-failure.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import { TapeflowFailure, describeError, systemErrorCode } from '../../config/failures.js';
import { isPostgres } from '../../config/catalog-url.js';
import type { Settings } from '../../config/settings/settings.js';
import { formatBytes } from '../../config/sizes.js';
import { makeFolder } from '../../disk/durable-file.js';
import { spaceOf } from '../../tape/drives/drive.js';
import { english } from '../../messages/sentence.js';

export type Level = 'ok' | 'note' | 'trouble';

/** One finding of `doctor`. */
export interface Check {
  what: string;
  level: Level;
  finding: string;
  advice?: string | undefined;
}

/** The finding for a check that threw. */
export function failedCheck(what: string, error: unknown): Check {
  const failure = error instanceof TapeflowFailure ? error : undefined;
  return {
    what,
    level: 'trouble',
    finding: failure?.message ?? describeError(error),
    advice: failure?.advice,
  };
}

/** Free bytes below which the disks of the catalog and the server's database count as nearly full. */
const nearlyFullBytes = 100_000_000;

/** Checks staging: both folders are writable, and their disks have room for a group; one finding per disk. */
export async function checkStaging(settings: Settings): Promise<Check[]> {
  const root = settings.BACKUP_COMPRESS_DIR;
  const what = english`staging`;
  const folders = [path.join(root, 'temp'), path.join(root, 'final')];
  try {
    for (const folder of folders) {
      await makeFolder(folder);
      await access(folder, constants.W_OK);
    }
    const [temp, final] = await Promise.all(folders.map((folder) => stat(folder)));
    if (temp?.dev === final?.dev) return [await roomFor(settings, root, false)];
    return Promise.all(folders.map((folder) => roomFor(settings, folder, true)));
  } catch (error) {
    const where = error instanceof Error && 'path' in error ? String(error.path) : root;
    const readOnly = systemErrorCode(error) === 'EROFS' || systemErrorCode(error) === 'EACCES';
    return [
      {
        what,
        level: 'trouble',
        finding: english`${where} cannot be used: ${describeError(error)}`,
        advice: readOnly
          ? english`Make it writable; sets that wait for it go on by themselves. Or set BACKUP_COMPRESS_DIR.`
          : english`Correct BACKUP_COMPRESS_DIR.`,
      },
    ];
  }
}

/** @param apart whether the two folders are on two file systems. */
async function roomFor(settings: Settings, folder: string, apart: boolean): Promise<Check> {
  const { free } = await spaceOf(folder);
  const small = free < settings.MAX_GROUP_SIZE;
  const room = english`${folder}, ${formatBytes(free)} free, budget ${formatBytes(settings.STAGING_MAX_BYTES)}`;
  return {
    what: english`staging`,
    level: apart || small ? 'note' : 'ok',
    finding: apart
      ? english`${room}; temp and final are on two file systems, so every archive is copied between them`
      : room,
    advice: small
      ? english`Less is free than one group may take (MAX_GROUP_SIZE,
        ${formatBytes(settings.MAX_GROUP_SIZE)}): large groups will wait for room.`
      : undefined,
  };
}

/** Findings for nearly full disks of the catalog and of the data folder (server's database, logs). */
export async function checkDataDisks(settings: Settings): Promise<Check[]> {
  const checks: Check[] = [];
  const disks = new Map<string, string>();
  if (!isPostgres(settings.CATALOG_URL)) disks.set(path.dirname(settings.CATALOG_URL), english`catalog`);
  const data = settings.TAPEFLOW_DATA_DIR;
  if (!disks.has(data)) disks.set(data, english`data folder`);
  for (const [folder, what] of disks) {
    // A missing folder is created at first use.
    const space = await spaceOf(folder).catch(() => undefined);
    if (space === undefined || space.free >= nearlyFullBytes) continue;
    checks.push({
      what,
      level: space.free === 0 ? 'trouble' : 'note',
      finding:
        space.free === 0
          ? english`the disk of ${folder} is full`
          : english`the disk of ${folder} is nearly full: ${formatBytes(space.free)} free`,
      advice: english`Make room there; without it sets wait, and go on by themselves.`,
    });
  }
  return checks;
}

/** Tries to take the catalog's write lock, as every step of a set does; returns a finding when that fails. */
export async function checkWriteLock(catalog: Catalog, settings: Settings): Promise<Check | undefined> {
  try {
    await catalog.transaction().execute(async () => undefined);
    return undefined;
  } catch (error) {
    const failure = catalogFailure(error, settings.CATALOG_URL);
    return {
      what: english`catalog`,
      level: 'trouble',
      finding: failure instanceof TapeflowFailure ? failure.message : describeError(error),
      advice: failure instanceof TapeflowFailure ? failure.advice : undefined,
    };
  }
}
