import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { z } from 'zod';
import { archiveFormats } from '../entry/archive-format.js';
import { parseDuration } from './durations.js';
import { usageFailure } from './failures.js';
import type { Retention, Retentions } from './retention.js';
import { firstProblem, nearestName } from './setting-problems.js';
import { groupNamed, isMember, type SharedGroup } from './shared-group.js';
import { parseSize } from './sizes.js';

const sizeWanted = 'must be a size such as 12GiB, 500MB or 1048576';

/** A whole number of bytes from `least` on, written as `12GiB`, `500MB` or plain bytes. */
const sizeFrom = (least: 0 | 1) =>
  z.union([z.string(), z.number()], { error: sizeWanted }).transform((value, context) => {
    const bytes = parseSize(String(value));
    if (bytes !== undefined && bytes >= least) return bytes;
    context.issues.push({
      code: 'custom',
      message: sizeWanted,
      input: value,
    });
    return z.NEVER;
  });
const size = sizeFrom(1);

const whole = (least: number, most: number) =>
  z.coerce
    .number({ error: `must be a whole number from ${least} to ${most}` })
    .int(`must be a whole number from ${least} to ${most}`)
    .min(least, `must be a whole number from ${least} to ${most}`)
    .max(most, `must be a whole number from ${least} to ${most}`);

const seconds = z.coerce
  .number({ error: 'must be a number of seconds above 0' })
  .positive('must be a number of seconds above 0')
  .max(31_536_000, 'must be at most a year in seconds');

const durationWanted = 'must be a duration such as 36h, 90d, 12w or 1y, or forever';

/** How long the sets of a pool are kept: seconds; null for `forever`. */
const retention = z
  .union([z.string(), z.number()], { error: durationWanted })
  .transform((value, context): Retention => {
    if (value === 'forever') return null;
    const seconds = parseDuration(String(value));
    if (seconds !== undefined && seconds > 0) return seconds;
    context.issues.push({
      code: 'custom',
      message: durationWanted,
      input: value,
    });
    return z.NEVER;
  });

const flag = z
  .union([z.boolean(), z.string()], { error: 'must be true or false' })
  .transform((value, context) => {
    const text = String(value).toLowerCase();
    if (['true', '1', 'yes', 'on'].includes(text)) return true;
    if (['false', '0', 'no', 'off', ''].includes(text)) return false;
    context.issues.push({ code: 'custom', message: 'must be true or false', input: value });
    return z.NEVER;
  });

const text = z.string().min(1, 'must not be empty');
const plainName = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/,
    'must be letters, digits, dot, dash or underscore, at most 63 of them',
  );
const driveKind = z.enum(['directory', 'ltfs'], { error: 'must be directory or ltfs' });

/**
 * Every setting, by the name that it has in the environment and in `tapeflow.config.json`, with its default.
 * Times are in seconds, sizes in bytes. Relative paths are relative to the project folder.
 */
export const settingsSchema = z.object({
  /** Staging root; `temp/{set}` and `final/{set}` are below it. */
  BACKUP_COMPRESS_DIR: text.default('temp/compress'),
  /** True: no staging; each archive is compressed directly to tape, in the drive's slot. */
  COMPRESS_DIRECTLY_TO_TAPE: flag.default(false),
  /** Maximum bytes of source files in one archive; a single file above it goes alone. */
  MAX_GROUP_SIZE: size.default(12 * 1024 ** 3),
  /** Maximum number of entries in one archive: bounds the manifest and the restore of one group. */
  MAX_GROUP_FILES: whole(1, 10_000_000).default(50_000),
  /** Format of the archives: `.tar.gz`, `.tar.zst`, or `.tar` with `none`. */
  COMPRESSION: z.enum(archiveFormats, { error: 'must be gzip, zstd or none' }).default('gzip'),
  /** 1 to 9 for gzip, 6 when not given; 1 to 19 for zstd, 3 when not given. */
  COMPRESSION_LEVEL: whole(0, 19).optional(),
  /** `auto`: libdeflate and zstd's own code where they were built, else what Node has; `zlib`: that in any case. */
  COMPRESSION_CODEC: z.enum(['auto', 'zlib'], { error: 'must be auto or zlib' }).default('auto'),
  COMPRESSION_THREADS: whole(1, 512).default(availableParallelism()),
  /** Number of groups compressed at the same time. */
  PARALLEL_GROUPS: whole(1, 64).default(2),
  /** Maximum bytes staged at once; 3 × the group size when not given, and never below one group. */
  STAGING_MAX_BYTES: size.optional(),
  /** The drive `lto1`: the mount of an LTFS tape, or a folder. `<data>/tape` when not given. */
  TAPE_PATH: text.optional(),
  TAPE_KIND: driveKind.default('directory'),
  /** The pool that a backup asks for when `--pool` is not given. */
  TAPE_POOL: plainName.default('default'),
  /**
   * How long sets are kept after their end, in every pool that `pools` in `tapeflow.config.json` does not name. What
   * has expired is never erased automatically.
   */
  POOL_RETENTION: retention.default(null),
  /** Catalog, embedded server's database, cached tools, logs. */
  TAPEFLOW_DATA_DIR: text.default('.tapeflow'),
  /**
   * Short id of this installation in the ids and queues of a Temporal server that several share. Made from the
   * catalog's own id when not given.
   */
  TAPEFLOW_INSTALLATION: z
    .string()
    .regex(
      /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,30}[A-Za-z0-9])?$/,
      'must be letters, digits and dashes, at most 32 of them',
    )
    .optional(),
  /**
   * Where locks of drives and tapes are kept: one folder for all data folders of a user, or of a group that shares a
   * drive.
   */
  TAPEFLOW_LOCK_DIR: text.optional(),
  /** A group of this machine whose members may read catalog, logs and tape folders, and nothing else. */
  TAPEFLOW_SHARED_GROUP: text.optional(),
  /** The catalog's database: a path of an SQLite file. `<data>/catalog.db` when not given. */
  CATALOG_URL: text.optional(),
  /**
   * Your own Temporal server; the embedded one when not given. TLS, API key and profile as in `@temporalio/envconfig`.
   */
  TEMPORAL_ADDRESS: text.optional(),
  TEMPORAL_NAMESPACE: text.default('default'),
  /** The Temporal CLI to run as the embedded server; trusted as it is. */
  TEMPORAL_CLI_PATH: text.optional(),
  LOG_LEVEL: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], {
      error: 'must be trace, debug, info, warn, error, fatal or silent',
    })
    .default('info'),
  LOG_FILE: text.optional(),
  /** How long `waitForFinal` looks for the complete archive before it warns and is retried. */
  FINAL_WAIT_SECONDS: seconds.default(30),
  /** The server gives up an activity after this long without a heartbeat. */
  HEARTBEAT_SECONDS: seconds.default(30),
  /** First wait before a tape write is retried; longer than the 5 s for which a cut-off attempt can go on writing. */
  TAPE_RETRY_SECONDS: seconds.default(15),
  /** First wait before any other step is retried. */
  RETRY_SECONDS: seconds.default(1),
  /** Attempts of one step before its group is parked as failed. */
  RETRY_ATTEMPTS: whole(1, 1000).default(5),
  /**
   * Seconds within which a drive, or a source, should answer, even while it seeks; one that is silent for longer is
   * reported. Nothing is given up because of it. Commands that look at a drive wait at most 15 seconds.
   */
  DRIVE_ANSWER_SECONDS: seconds.default(60),
  /**
   * Written bytes after which the tape's index is synced; half of the staging budget, or a whole drain, when not given.
   */
  TAPE_SYNC_BYTES: size.optional(),
  /** Age of the oldest written archive after which the tape's index is synced. */
  TAPE_SYNC_SECONDS: seconds.default(300),
  /**
   * Bytes of staged archives to collect before the drive starts; it then writes all of them in one go, so that it
   * streams instead of stopping and starting. 0: each is written as soon as it is ready.
   */
  TAPE_DRAIN_AT: sizeFrom(0).default(0),
  /**
   * Seconds between the archive worker's checks of what is unfinished in the catalog: whatever the server has ended or
   * lost is resumed, and missing schedules are registered again. 0: never.
   */
  LOOK_AFTER_SECONDS: z.coerce
    .number({ error: 'must be a number of seconds, or 0' })
    .min(0, 'must be a number of seconds, or 0')
    .max(86_400, 'must be at most a day in seconds')
    .default(180),
  /**
   * Windows only: an archive counts as synced this long after its last byte was written (twice LTFS's default index
   * period).
   */
  TAPE_SYNC_INTERVAL: seconds.default(600),
});

/** The settings as the schema reads them. */
type SettingValues = z.output<typeof settingsSchema>;
export type SettingName = keyof SettingValues;
export type DriveKind = z.output<typeof driveKind>;

export interface DriveSettings {
  name: string;
  /** Absolute path of the mount point or folder. */
  path: string;
  kind: DriveKind;
  /** True for the default folder inside the data folder: it is ours, so it is created and labelled at first use. */
  ours: boolean;
}

/** Every setting in force, with absolute paths and the defaults that depend on other settings filled in. */
export interface Settings extends Omit<SettingValues, 'TAPE_PATH'> {
  TAPE_PATH: string;
  COMPRESSION_LEVEL: number;
  STAGING_MAX_BYTES: number;
  TAPE_SYNC_BYTES: number;
  CATALOG_URL: string;
  TAPEFLOW_LOCK_DIR: string;
  /** The group of `TAPEFLOW_SHARED_GROUP`. */
  sharedGroup?: SharedGroup;
  drives: DriveSettings[];
  retentions: Retentions;
  /** Folder of the project; relative settings start here. */
  projectDir: string;
  /** Where each value comes from: `default`, `environment` or the path of the file. */
  origins: Record<SettingName | 'drives' | 'pools', string>;
}

const configFileName = 'tapeflow.config.json';
/** Names a configuration file to use instead of the project's. */
const configFileVariable = 'TAPEFLOW_CONFIG';

const driveSchema = z.strictObject({ path: text, kind: driveKind.default('directory') });
const poolSchema = z.strictObject({ retention });
/** What stands in the file besides settings. */
const namedSchema = z.object({
  drives: z.record(plainName, driveSchema).optional(),
  pools: z.record(plainName, poolSchema).optional(),
});

/** The file as a whole. docs/schemas/ has its JSON Schema, which an editor finds by `$schema`. */
export const configFileSchema = z
  .strictObject({ $schema: text.optional(), ...settingsSchema.shape, ...namedSchema.shape })
  .meta({ description: 'tapeflow.config.json: the settings, as docs/operations.md has them.' });

/** Variables that begin with `TAPEFLOW_` but are not settings; set by our own scripts and tests. */
const ownVariables = new Set([
  'TAPEFLOW_EMBEDDED_ADDRESS',
  'TAPEFLOW_TEST_FILES',
  'TAPEFLOW_REQUIRE_FUSE',
  'TAPEFLOW_SOURCE_DIR',
  configFileVariable,
]);

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

function readConfigFile(file: string): Record<string, unknown> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw usageFailure('WrongConfigFile', `The configuration file ${file} cannot be read as JSON: ${why}.`);
  }
  if (parsed === null || typeof parsed !== 'object' || Array.isArray(parsed)) {
    throw usageFailure('WrongConfigFile', `The configuration file ${file} must hold one JSON object.`);
  }
  return parsed as Record<string, unknown>;
}

function wrongSetting(name: string, where: string, problem: string): Error {
  return usageFailure('WrongSetting', `The setting ${name} (from ${where}) ${problem}.`);
}

function checkNames(env: NodeJS.ProcessEnv, file: Record<string, unknown>, fileName: string): void {
  const known = new Set(Object.keys(configFileSchema.shape));
  for (const name of Object.keys(file)) {
    if (!known.has(name)) {
      throw usageFailure(
        'UnknownSetting',
        `${fileName} has an unknown setting ${JSON.stringify(name)}.`,
        didYouMean(name, known),
      );
    }
  }
  for (const name of Object.keys(env)) {
    if (name.startsWith('TAPEFLOW_') && !known.has(name) && !ownVariables.has(name)) {
      throw usageFailure(
        'UnknownSetting',
        `The environment has an unknown setting ${name}.`,
        didYouMean(name, known),
      );
    }
  }
}

/** The nearest name, or those that share most of its parts; only a hint. */
function didYouMean(name: string, known: Set<string>): string {
  const nearest = nearestName(name, known);
  if (nearest !== undefined) return `Did you mean ${nearest}?`;
  const parts = new Set(name.toUpperCase().split('_'));
  const near = [...known].filter((other) => other.split('_').filter((part) => parts.has(part)).length >= 2);
  return near.length > 0
    ? `Did you mean ${near.slice(0, 3).join(' or ')}?`
    : known.size < 5
      ? `Allowed are: ${[...known].join(', ')}.`
      : '`tapeflow doctor` lists every setting.';
}

/**
 * Reads the settings: the environment wins over `tapeflow.config.json`, that over the defaults.
 * Throws a usage failure with one sentence for an unknown or wrong one.
 */
export function loadSettings(env: NodeJS.ProcessEnv, projectDir: string): Settings {
  const named = env[configFileVariable];
  const fileName = path.resolve(projectDir, named === undefined || named === '' ? configFileName : named);
  const file = existsSync(fileName) || named ? readConfigFile(fileName) : {};
  checkNames(env, file, fileName);

  const origins: Record<string, string> = {};
  const given: Record<string, unknown> = {};
  for (const name of Object.keys(settingsSchema.shape)) {
    const fromEnv = env[name];
    origins[name] = 'default';
    if (fromEnv !== undefined && fromEnv !== '') {
      given[name] = fromEnv;
      origins[name] = 'environment';
    } else if (file[name] !== undefined) {
      given[name] = file[name];
      origins[name] = fileName;
    }
  }
  const parsed = settingsSchema.safeParse(given);
  if (!parsed.success) {
    const { name, problem } = firstProblem(parsed.error, given, () => []);
    throw wrongSetting(name, origins[name] ?? 'default', problem);
  }
  const parsedFile = namedSchema.safeParse(file);
  if (!parsedFile.success) {
    const { name, problem, unknown, known } = firstProblem(parsedFile.error, file, ([place]) =>
      Object.keys((place === 'drives' ? driveSchema : poolSchema).shape),
    );
    if (!unknown) throw wrongSetting(name, fileName, problem);
    throw usageFailure(
      'UnknownSetting',
      `${fileName} has an unknown setting ${JSON.stringify(name)}.`,
      didYouMean(name.split('.').at(-1) ?? '', new Set(known)),
    );
  }
  origins['drives'] = parsedFile.data.drives === undefined ? 'default' : fileName;
  origins['pools'] = parsedFile.data.pools === undefined ? 'default' : fileName;
  const settings = complete(parsed.data, parsedFile.data.drives ?? {}, projectDir, origins, env);
  for (const [pool, { retention }] of Object.entries(parsedFile.data.pools ?? {}))
    settings.retentions.pools[pool] = retention;
  return settings;
}

function complete(
  values: SettingValues,
  drives: Record<string, { path: string; kind: DriveKind }>,
  projectDir: string,
  origins: Record<string, string>,
  env: NodeJS.ProcessEnv,
): Settings {
  const absolute = (value: string) => path.resolve(projectDir, value);
  const dataDir = absolute(values.TAPEFLOW_DATA_DIR);
  const tapePath = values.TAPE_PATH === undefined ? path.join(dataDir, 'tape') : absolute(values.TAPE_PATH);
  const staging = values.STAGING_MAX_BYTES ?? 3 * values.MAX_GROUP_SIZE;
  if (staging < values.MAX_GROUP_SIZE) {
    throw wrongSetting(
      'STAGING_MAX_BYTES',
      origins['STAGING_MAX_BYTES'] ?? 'default',
      `is ${staging} bytes: it must not be below one group (MAX_GROUP_SIZE, ${values.MAX_GROUP_SIZE} bytes)`,
    );
  }
  if (values.TAPE_DRAIN_AT > staging) {
    throw wrongSetting(
      'TAPE_DRAIN_AT',
      origins['TAPE_DRAIN_AT'] ?? 'default',
      `is ${values.TAPE_DRAIN_AT} bytes: it must not be above ` +
        `STAGING_MAX_BYTES (${staging} bytes), since that much is never staged`,
    );
  }
  if (values.CATALOG_URL !== undefined && /^postgres(ql)?:/i.test(values.CATALOG_URL)) {
    throw wrongSetting(
      'CATALOG_URL',
      origins['CATALOG_URL'] ?? 'default',
      'asks for PostgreSQL, which this version does not support yet: give the path of an SQLite file, or leave it out',
    );
  }
  if (
    values.CATALOG_URL !== undefined &&
    /^[a-z][a-z0-9+]+:/i.test(values.CATALOG_URL) &&
    !values.CATALOG_URL.startsWith('file:')
  ) {
    throw wrongSetting(
      'CATALOG_URL',
      origins['CATALOG_URL'] ?? 'default',
      'must be the path of an SQLite file',
    );
  }
  const all: DriveSettings[] = Object.entries(drives).map(([name, drive]) => {
    return { name, path: absolute(drive.path), kind: drive.kind, ours: false };
  });
  if (!all.some((drive) => drive.name === 'lto1')) {
    all.unshift({
      name: 'lto1',
      path: tapePath,
      kind: values.TAPE_KIND,
      ours: values.TAPE_PATH === undefined,
    });
  } else if (values.TAPE_PATH !== undefined) {
    throw wrongSetting(
      'TAPE_PATH',
      origins['TAPE_PATH'] ?? 'default',
      'and drives.lto1 both name the drive lto1: keep one',
    );
  }
  return {
    ...values,
    COMPRESSION_LEVEL: compressionLevel(values, origins),
    BACKUP_COMPRESS_DIR: absolute(values.BACKUP_COMPRESS_DIR),
    TAPEFLOW_DATA_DIR: dataDir,
    TAPEFLOW_LOCK_DIR:
      values.TAPEFLOW_LOCK_DIR === undefined
        ? defaultLockDir(process.platform, env)
        : absolute(values.TAPEFLOW_LOCK_DIR),
    TAPE_PATH: tapePath,
    STAGING_MAX_BYTES: staging,
    TAPE_SYNC_BYTES: values.TAPE_SYNC_BYTES ?? Math.max(Math.ceil(staging / 2), values.TAPE_DRAIN_AT),
    CATALOG_URL:
      values.CATALOG_URL === undefined
        ? path.join(dataDir, 'catalog.db')
        : absolute(values.CATALOG_URL.replace(/^file:(\/\/)?/, '')),
    ...(values.LOG_FILE === undefined ? {} : { LOG_FILE: absolute(values.LOG_FILE) }),
    ...sharedGroup(values, origins),
    drives: all,
    retentions: { pools: {}, otherwise: values.POOL_RETENTION },
    projectDir,
    origins: origins,
  };
}

function sharedGroup(
  { TAPEFLOW_SHARED_GROUP: name }: SettingValues,
  origins: Record<string, string>,
): { sharedGroup?: SharedGroup } {
  if (name === undefined) return {};
  const wrong = (problem: string) =>
    wrongSetting('TAPEFLOW_SHARED_GROUP', origins['TAPEFLOW_SHARED_GROUP'] ?? 'default', problem);
  if (process.platform === 'win32')
    throw wrong(
      'has no meaning on Windows: give others the right to read with the rights of the data folder',
    );
  const group = groupNamed(name);
  if (group === undefined)
    throw wrong(`names the group ${JSON.stringify(name)}, which this machine does not know`);
  if (!isMember(group)) {
    throw wrong(
      `names the group ${JSON.stringify(name)}, which this user is not a ` +
        `member of: \`usermod -aG\` adds it, from the next login on`,
    );
  }
  return { sharedGroup: group };
}

/** Levels of the formats that have levels. `0` stores, as gzip's does. */
const levels = { gzip: { least: 0, most: 9, usual: 6 }, zstd: { least: 1, most: 19, usual: 3 } };

function compressionLevel(
  { COMPRESSION: format, COMPRESSION_LEVEL: level }: SettingValues,
  origins: Record<string, string>,
): number {
  if (format === 'none') return 0;
  const { least, most, usual } = levels[format];
  if (level === undefined) return usual;
  if (level >= least && level <= most) return level;
  throw wrongSetting(
    'COMPRESSION_LEVEL',
    origins['COMPRESSION_LEVEL'] ?? 'default',
    `is ${level}: with COMPRESSION=${format} it must be a whole number from ${Math.max(least, 1)} to ${most}`,
  );
}

/** The drive of that name; throws a usage failure that lists the known drives when there is none. */
export function driveNamed(settings: Settings, name: string): DriveSettings {
  const drive = settings.drives.find((candidate) => candidate.name === name);
  if (drive !== undefined) return drive;
  const known = settings.drives.map((candidate) => candidate.name).join(', ');
  throw usageFailure('NoSuchDrive', `There is no drive ${name}; the drives are: ${known}.`);
}

/** The drives that a command may read with: the one that was named, or else all, represented by the first. */
export interface DrivesToRead {
  drive: string;
  /** 1: any drive that has the tape. */
  any_drive: 0 | 1;
  names: string[];
}

/** The drives of a copy from tape to tape: `toDrive` is null where any may write that has a tape for it. */
export interface CopyDrives {
  drive: string;
  any_drive: 0 | 1;
  toDrive: string | null;
}

/** The drives of a copy by its two optional drives; the one that reads writes as well, if none is named for that. */
export function copyDrives(settings: Settings, names: { drive?: string; toDrive?: string }): CopyDrives {
  const { drive, any_drive } = drivesToRead(settings, names.drive);
  const writes = names.toDrive ?? names.drive;
  return { drive, any_drive, toDrive: writes === undefined ? null : driveNamed(settings, writes).name };
}

/**
 * The drives that a command with an optional `--drive` reads with; throws a usage failure when there is none of that
 * name.
 */
export function drivesToRead(settings: Settings, name: string | undefined): DrivesToRead {
  if (name !== undefined) {
    const drive = driveNamed(settings, name).name;
    return { drive, any_drive: 0, names: [drive] };
  }
  const names = settings.drives.map((drive) => drive.name);
  return { drive: names[0] ?? 'lto1', any_drive: 1, names };
}
