import path from 'node:path';
import { english } from '../../messages/sentence.js';
import { languageOfEnvironment } from '../../messages/language.js';
import { isPostgres } from '../catalog-url.js';
import { machineZone } from '../time-zone.js';
import { groupNamed, isMember, type SharedGroup } from '../shared-group.js';
import type { ConfigLists } from './config-file.js';
import { defaultHostName } from './host-name.js';
import { wrongSetting } from './setting-problems.js';
import type { CountedKeep, Retentions } from './retention.js';
import type { SettingName, SettingValues } from './settings-schema.js';
import type { DriveSettings, Settings } from './settings.js';

/**
 * Default of the lock folder: one for all data folders of this user on this machine, whatever the environment says,
 * writable by this user only. `uid` is undefined on Windows.
 */
export function defaultLockDir(
  platform: NodeJS.Platform,
  env: NodeJS.ProcessEnv,
  uid = process.getuid?.(),
): string {
  if (platform === 'win32')
    return path.win32.join(env['ProgramData'] ?? 'C:\\ProgramData', 'tapeflow', 'locks');
  // Only root can create that folder. The system's temporary folder is sticky: what another user creates there is
  // refused.
  if (platform === 'linux' && uid === 0) return '/run/tapeflow-locks';
  return `/tmp/tapeflow-locks-${uid}`;
}

/** Says of a setting what is wrong with it, and where it comes from. */
type Complaint = (name: SettingName, problem: string) => Error;

/** Fills in the defaults that depend on other settings; throws a usage failure for what does not go together. */
export function complete(
  values: SettingValues,
  { drives = {}, pools = {}, notify = [], hooks = {} }: ConfigLists,
  from: { homeDir: string; origins: Record<string, string>; env: NodeJS.ProcessEnv },
): Settings {
  const { homeDir, origins, env } = from;
  const wrong: Complaint = (name, problem) => wrongSetting(name, origins[name] ?? 'default', problem);
  const absolute = (value: string) => path.resolve(homeDir, value);
  const dataDir = absolute(values.TAPEFLOW_DATA_DIR);
  const tapePath = values.TAPE_PATH === undefined ? path.join(dataDir, 'tape') : absolute(values.TAPE_PATH);
  const staging = stagingBudget(values, wrong);
  if (values.ENCRYPT && values.AGE_RECIPIENTS === undefined)
    throw wrong('ENCRYPT', english`is true, and AGE_RECIPIENTS names no one to encrypt to`);
  requireOwnMachine(values, wrong);
  return {
    ...values,
    COMPRESSION_LEVEL: compressionLevel(values, wrong),
    BACKUP_COMPRESS_DIR: absolute(values.BACKUP_COMPRESS_DIR),
    TAPEFLOW_DATA_DIR: dataDir,
    TAPEFLOW_HOST: values.TAPEFLOW_HOST ?? defaultHostName(dataDir),
    LANGUAGE_TAG: values.LANGUAGE_TAG ?? languageOfEnvironment(env),
    TAPEFLOW_LOCK_DIR:
      values.TAPEFLOW_LOCK_DIR === undefined
        ? defaultLockDir(process.platform, env)
        : absolute(values.TAPEFLOW_LOCK_DIR),
    ...(values.AGE_IDENTITY_FILE === undefined
      ? {}
      : { AGE_IDENTITY_FILE: absolute(values.AGE_IDENTITY_FILE) }),
    TAPE_PATH: tapePath,
    STAGING_MAX_BYTES: staging,
    TAPE_SYNC_BYTES: values.TAPE_SYNC_BYTES ?? Math.max(Math.ceil(staging / 2), values.TAPE_DRAIN_AT),
    CATALOG_URL: catalogOf(values, dataDir, absolute, wrong),
    ...(values.LOG_FILE === undefined ? {} : { LOG_FILE: absolute(values.LOG_FILE) }),
    ...sharedGroup(values, wrong),
    drives: allDrives(
      Object.entries(drives).map(([name, drive]) => {
        return { name, path: absolute(drive.path), kind: drive.kind, ours: false };
      }),
      tapePath,
      values,
      wrong,
    ),
    retentions: allRetentions(values, pools, origins),
    channels: notify,
    hooks,
    homeDir,
    origins,
  };
}

/** How every pool keeps its sets. */
function allRetentions(
  { POOL_RETENTION, POOL_KEEP }: SettingValues,
  pools: NonNullable<ConfigLists['pools']>,
  origins: Record<string, string>,
): Retentions {
  const named = Object.entries(pools);
  const counted = named.flatMap(([pool, { retention, keep }]): [string, CountedKeep][] =>
    keep === undefined ? [] : [[pool, { counts: keep, alone: retention === undefined }]],
  );
  const alone = origins['POOL_RETENTION'] === 'default';
  const otherwise = POOL_KEEP === undefined ? {} : { otherwise: { counts: POOL_KEEP, alone } };
  const hasCounts = counted.length > 0 || POOL_KEEP !== undefined;
  return {
    pools: Object.fromEntries(named.map(([pool, { retention = null }]) => [pool, retention])),
    otherwise: POOL_RETENTION,
    ...(hasCounts ? { keep: { zone: machineZone(), pools: Object.fromEntries(counted), ...otherwise } } : {}),
  };
}

/** Addresses that no other machine reaches. */
const ownMachine = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\]):\d+$/;

/** The page's token would cross the network as it is: that has to be asked for. */
function requireOwnMachine(
  { WEB_ADDRESS: address, WEB_ALLOW_NETWORK: allowed }: SettingValues,
  wrong: Complaint,
): void {
  if (address === undefined || address === 'off' || allowed || ownMachine.test(address)) return;
  throw wrong(
    'WEB_ADDRESS',
    english`is ${address}, which other machines reach: the page has no TLS, so whoever listens on the network could
      take its token and give commands. Use 127.0.0.1, and from elsewhere \`ssh -L\`; or allow it with
      WEB_ALLOW_NETWORK=true`,
  );
}

/** Bytes that may be staged at once. */
function stagingBudget(values: SettingValues, wrong: Complaint): number {
  const { MAX_GROUP_SIZE: group, TAPE_DRAIN_AT: drainAt } = values;
  const budget = values.STAGING_MAX_BYTES ?? 3 * group;
  if (budget < group)
    throw wrong(
      'STAGING_MAX_BYTES',
      english`is ${budget} bytes: it must not be below one group (MAX_GROUP_SIZE, ${group} bytes)`,
    );
  if (drainAt > budget)
    throw wrong(
      'TAPE_DRAIN_AT',
      english`is ${drainAt} bytes: it must not be above STAGING_MAX_BYTES (${budget} bytes), since that
        much is never staged`,
    );
  return budget;
}

/** What `CATALOG_URL` gives: an absolute path, or a URL of PostgreSQL as it is. */
function catalogOf(
  { CATALOG_URL: url }: SettingValues,
  dataDir: string,
  absolute: (value: string) => string,
  wrong: Complaint,
): string {
  if (url === undefined) return path.join(dataDir, 'catalog.db');
  if (isPostgres(url)) {
    // `postgres://USER@/DATABASE?host=FOLDER` leads to a socket; other URLs have no user without a host.
    if (!/^[a-z]+:\/\//i.test(url) || !URL.canParse(url.replace('@/', '@localhost/')))
      throw wrong(
        'CATALOG_URL',
        english`is no valid URL: one of PostgreSQL is postgres://USER@HOST/DATABASE`,
      );
    return url;
  }
  if (/^[a-z][a-z0-9+]+:/i.test(url) && !url.startsWith('file:'))
    throw wrong(
      'CATALOG_URL',
      english`must be the path of an SQLite file, or a URL postgres://USER@HOST/DATABASE`,
    );
  return absolute(url.replace(/^file:(\/\/)?/, ''));
}

/** The drives of the configuration file, and before them `lto1` of `TAPE_PATH` where the file has none of that name. */
function allDrives(
  drives: DriveSettings[],
  tapePath: string,
  { TAPE_PATH, TAPE_KIND }: SettingValues,
  wrong: Complaint,
): DriveSettings[] {
  if (!drives.some((drive) => drive.name === 'lto1'))
    return [{ name: 'lto1', path: tapePath, kind: TAPE_KIND, ours: TAPE_PATH === undefined }, ...drives];
  if (TAPE_PATH !== undefined)
    throw wrong('TAPE_PATH', english`and drives.lto1 both name the drive lto1: keep one`);
  return drives;
}

function sharedGroup(
  { TAPEFLOW_SHARED_GROUP: name }: SettingValues,
  wrong: Complaint,
): { sharedGroup?: SharedGroup } {
  if (name === undefined) return {};
  const setting = 'TAPEFLOW_SHARED_GROUP';
  if (process.platform === 'win32')
    throw wrong(
      setting,
      english`has no meaning on Windows: give others the right to read with the rights of the data folder`,
    );
  const group = groupNamed(name);
  if (group === undefined)
    throw wrong(setting, english`names the group ${JSON.stringify(name)}, which this machine does not know`);
  if (!isMember(group))
    throw wrong(
      setting,
      english`names the group ${JSON.stringify(name)}, which this user is not a
        member of: \`usermod -aG\` adds it, from the next login on`,
    );
  return { sharedGroup: group };
}

/** Levels of the formats that have levels. `0` stores, as gzip's does. */
const levels = { gzip: { least: 0, most: 9, usual: 6 }, zstd: { least: 1, most: 19, usual: 3 } };

function compressionLevel(
  { COMPRESSION: format, COMPRESSION_LEVEL: level }: SettingValues,
  wrong: Complaint,
): number {
  if (format === 'none') return 0;
  const { least, most, usual } = levels[format];
  if (level === undefined) return usual;
  if (level >= least && level <= most) return level;
  throw wrong(
    'COMPRESSION_LEVEL',
    english`is ${level}: with COMPRESSION=${format} it must be a whole number
      from ${Math.max(least, 1)} to ${most}`,
  );
}
