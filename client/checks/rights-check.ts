import { lstatSync, readdirSync, type Stats } from 'node:fs';
import path from 'node:path';
import { isPostgres } from '../../config/catalog-url.js';
import type { Settings } from '../../config/settings/settings.js';
import { sharedModes, type SharedGroup } from '../../config/shared-group.js';
import { hostFile } from '../../embedded/host-file.js';
import { serverDatabase } from '../../embedded/temporal-server.js';
import { keyFile } from '../../proof/key-file.js';
import type { Check } from './disk-checks.js';
import { english } from '../../messages/sentence.js';

type Places = Pick<
  Settings,
  'TAPEFLOW_DATA_DIR' | 'CATALOG_URL' | 'BACKUP_COMPRESS_DIR' | 'LOG_FILE' | 'drives' | 'sharedGroup'
>;

/** One of tapeflow's folders or files; `tree`: with everything in it. */
interface Place {
  at: string;
  kind: 'folder' | 'file' | 'tree';
  /** Contains nothing of a backup, and nobody else may read it. */
  isSecret?: true;
}

/**
 * Reports tapeflow's folders and files with wrong permissions: others can read or write them, or the group of
 * `TAPEFLOW_SHARED_GROUP` cannot read what it should. One finding each, with the command that fixes it. LTFS mounts are
 * not checked, since their permissions are set when mounting.
 */
export function checkRights(settings: Places): Check[] {
  if (process.platform === 'win32') return [];
  const { sharedGroup: group } = settings;
  const places = readable(settings);
  if (group === undefined) return [...places, ...staging(settings)].flatMap((place) => tooWide(place));
  return [
    ...[...staging(settings), ...secret(settings)].flatMap((place) => tooWide(place, group)),
    ...places.flatMap((place) => tooWide(place, group, true)),
    ...places.flatMap((place) => tooNarrow(place, group)),
    ...barred(places, group),
  ];
}

/** What the shared group may read. */
function readable(settings: Places): Place[] {
  const { TAPEFLOW_DATA_DIR: data, CATALOG_URL: catalog, LOG_FILE: log, sharedGroup } = settings;
  const tapes = settings.drives.filter((drive) => drive.kind === 'directory').map((drive) => drive.path);
  const logs = path.join(data, 'logs');
  const isFile = !isPostgres(catalog);
  const places: Place[] = [
    { at: data, kind: 'folder' },
    ...tapes.map((at) => ({ at, kind: 'tree' as const })),
    ...(isFile ? ['', '-wal', '-shm'] : []).map((end) => ({ at: catalog + end, kind: 'file' as const })),
    ...(log === undefined ? [] : [{ at: log, kind: 'file' as const }]),
  ];
  // Below a private data folder nobody else can reach them.
  if (sharedGroup !== undefined) {
    if (isFile)
      places.push(
        { at: `${catalog}-newest.json`, kind: 'file' },
        { at: path.dirname(catalog), kind: 'folder' },
      );
    places.push({ at: logs, kind: 'folder' });
    places.push(...namesIn(logs).map((name) => ({ at: path.join(logs, name), kind: 'file' as const })));
  }
  return places.filter(({ at }, index) => places.findIndex((other) => other.at === at) === index);
}

function staging({ BACKUP_COMPRESS_DIR: at }: Places): Place[] {
  return [{ at, kind: 'folder' }];
}

/** What the group must not read in a folder that it can enter. */
function secret({ TAPEFLOW_DATA_DIR: data }: Places): Place[] {
  return [
    { at: path.dirname(serverDatabase(data)), kind: 'folder', isSecret: true },
    ...[keyFile(data), hostFile(data)].map((at) => ({ at, kind: 'file', isSecret: true }) as const),
  ];
}

/** Permissions that others should not have; `isShared`: the group's permissions are right. */
function tooWide(place: Place, group?: SharedGroup, isShared = false): Check[] {
  const { at } = place;
  const stats = statsOf(at);
  if (stats === undefined) return [];
  const allowed = isShared && stats.gid === group?.gid ? 0o750 : 0o700;
  const wrong = stats.mode & 0o777 & ~allowed;
  if (wrong === 0 || !isReachable(at)) return [];
  const mode = (stats.mode & 0o777).toString(8);
  const command = mending(place, isShared ? group : undefined);
  return [
    note(
      (wrong & 0o007) === 0
        ? english`${at} is open to its group (mode ${mode})`
        : english`${at} is open to every user of this machine (mode ${mode})`,
      place.isSecret === true
        ? english`It is for its user alone: \`${command}\`.`
        : english`What is backed up can be read there: \`${command}\`, unless you want it so.`,
    ),
  ];
}

/** Permissions that the group lacks. */
function tooNarrow(place: Place, group: SharedGroup): Check[] {
  const { at, kind } = place;
  const stats = statsOf(at);
  if (stats === undefined || tooWide(place, group, true).length > 0) return [];
  const lacks = ({ gid, mode }: Stats, needed: number) => gid !== group.gid || (mode & needed) !== needed;
  // In a folder without the set-group-id bit, files that SQLite creates beside the catalog get the user's own group.
  const isNarrow =
    lacks(stats, kind === 'folder' ? 0o2050 : kind === 'file' ? 0o040 : 0o050) ||
    (kind === 'tree' && setFolders(at).some((folder) => lacks(folder, 0o050)));
  if (!isNarrow) return [];
  return [
    note(
      english`${at} cannot be read by the group ${group.name} (TAPEFLOW_SHARED_GROUP), or not all of it`,
      english`It was made before that setting: \`${mending(place, group)}\`.`,
    ),
  ];
}

/** Parent folders that block the group from what it may read. */
function barred(places: readonly Place[], group: SharedGroup): Check[] {
  const there = places.map(({ at }) => at).filter((at) => statsOf(at) !== undefined);
  const above = new Set(there.flatMap(foldersAbove).filter((at) => !there.includes(at)));
  return [...above].flatMap((at) => {
    const stats = statsOf(at);
    if (stats === undefined || (stats.mode & (stats.gid === group.gid ? 0o010 : 0o001)) !== 0) return [];
    return [
      note(
        english`${at} does not let the group ${group.name} (TAPEFLOW_SHARED_GROUP) through to what it may read`,
        english`Let it pass, which does not let it list the folder: \`chmod o+x ${at}\`.`,
      ),
    ];
  });
}

function note(finding: string, advice: string): Check {
  return { what: english`rights`, level: 'note', finding, advice };
}

function mending({ at, kind }: Place, group: SharedGroup | undefined): string {
  if (group === undefined) return `chmod ${kind === 'file' ? '600' : '700'} ${at}`;
  if (kind === 'tree') return `chgrp -R ${group.name} ${at} && chmod -R u=rwX,g=rX,o= ${at}`;
  return `chgrp ${group.name} ${at} && chmod ${sharedModes[kind].toString(8)} ${at}`;
}

/** True when all parent folders let others through. */
function isReachable(at: string): boolean {
  return foldersAbove(at).every((above) => ((statsOf(above)?.mode ?? 0) & 0o011) !== 0);
}

function foldersAbove(at: string): string[] {
  const above = path.dirname(at);
  return above === at ? [] : [above, ...foldersAbove(above)];
}

/** The set folders on a tape. */
function setFolders(tape: string): Stats[] {
  return namesIn(tape)
    .filter((name) => /^\d{4}-\d{2}_\d{6}$/.test(name))
    .flatMap((name) => statsOf(path.join(tape, name)) ?? []);
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Undefined also for a link, which has no permissions of its own. */
function statsOf(at: string): Stats | undefined {
  try {
    const stats = lstatSync(at, { throwIfNoEntry: false });
    return stats?.isSymbolicLink() === true ? undefined : stats;
  } catch {
    return undefined;
  }
}
