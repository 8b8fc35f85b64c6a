import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { english } from '../../messages/sentence.js';
import { languageTags } from '../../messages/language.js';
import { archiveFormats } from '../../entry/archive-format.js';
import { hostName } from '../../entry/host-path.js';
import {
  driveKind,
  flag,
  listenAddress,
  driveOrPoolName,
  keepCounts,
  pageAddress,
  recipients,
  retention,
  seconds,
  size,
  sizeFrom,
  text,
  webUrl,
  whole,
} from './setting-types.js';

/**
 * Every setting, by the name that it has in the environment and in `tapeflow.config.json`, with its default.
 * Times are in seconds, sizes in bytes. Relative paths are relative to the folder of `homeDir`.
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
  COMPRESSION: z.enum(archiveFormats, { error: english`must be gzip, zstd or none` }).default('gzip'),
  /** 1 to 9 for gzip, 6 when not given; 1 to 19 for zstd, 3 when not given. */
  COMPRESSION_LEVEL: whole(0, 19).optional(),
  /** `auto`: libdeflate and zstd's own code where they were built, else what Node has; `zlib`: that in any case. */
  COMPRESSION_CODEC: z.enum(['auto', 'zlib'], { error: english`must be auto or zlib` }).default('auto'),
  COMPRESSION_THREADS: whole(1, 512).default(availableParallelism()),
  /** Encrypt every set, as with `--encrypt`. */
  ENCRYPT: flag.default(false),
  /** Whom `--encrypt` encrypts to: recipients of age. Their identities are needed to restore, and for nothing else. */
  AGE_RECIPIENTS: recipients.optional(),
  /** A file of identities of age, on hosts that restore, and where `tape catalog` reads; readable by its user only. */
  AGE_IDENTITY_FILE: text.optional(),
  /** Number of groups compressed at the same time. */
  PARALLEL_GROUPS: whole(1, 64).default(2),
  /** Maximum bytes staged at once; 3 × the group size when not given, and never below one group. */
  STAGING_MAX_BYTES: size.optional(),
  /** The drive `lto1`: the mount of an LTFS tape, or a folder. `<data>/tape` when not given. */
  TAPE_PATH: text.optional(),
  TAPE_KIND: driveKind.default('directory'),
  /** The pool that a backup asks for when `--pool` is not given. */
  TAPE_POOL: driveOrPoolName.default('default'),
  /**
   * How long sets are kept after their end, in every pool that `pools` in `tapeflow.config.json` does not name. What
   * has expired is never erased automatically.
   */
  POOL_RETENTION: retention.default(null),
  /**
   * What those pools keep by count, as `last 3, daily 7, weekly 4, monthly 12, yearly`: alone unless `POOL_RETENTION`
   * is given too.
   */
  POOL_KEEP: keepCounts.optional(),
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
      english`must be letters, digits and dashes, at most 32 of them`,
    )
    .optional(),
  /** The name of this host, which has its sources and drives: see `defaultHostName` for when it is not given. */
  TAPEFLOW_HOST: z
    .string()
    .regex(
      hostName,
      english`must be letters, digits, dots and hyphens, at most 64, with a letter or digit at both ends`,
    )
    .optional(),
  /**
   * Where locks of drives and tapes are kept: one folder for all data folders of a user, or of a group that shares a
   * drive.
   */
  TAPEFLOW_LOCK_DIR: text.optional(),
  /** A group of this machine whose members may read catalog, logs and tape folders, and nothing else. */
  TAPEFLOW_SHARED_GROUP: text.optional(),
  /**
   * The catalog's database: a path of an SQLite file, or `postgres://USER@HOST/DATABASE`. `<data>/catalog.db` when not
   * given.
   */
  CATALOG_URL: text.optional(),
  /**
   * Your own Temporal server; the embedded one when not given. TLS, API key and profile as in `@temporalio/envconfig`.
   */
  TEMPORAL_ADDRESS: text.optional(),
  TEMPORAL_NAMESPACE: text.default('default'),
  /** The profile of Temporal's own file (TOML) that names your server. */
  TEMPORAL_PROFILE: text.optional(),
  /** The Temporal CLI to run as the embedded server; trusted as it is. */
  TEMPORAL_CLI_PATH: text.optional(),
  LOG_LEVEL: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], {
      error: english`must be trace, debug, info, warn, error, fatal or silent`,
    })
    .default('info'),
  LOG_FILE: text.optional(),
  /**
   * Where Prometheus finds the figures of all workers of this host: `PORT`, which is on 127.0.0.1, or `ADDRESS:PORT`.
   * None when not given.
   */
  METRICS_ADDRESS: listenAddress.optional(),
  /**
   * Where `up` and `web` serve the page: `PORT`, which is on 127.0.0.1, `ADDRESS:PORT`, or `off`. When not given, a
   * free port of 127.0.0.1, which stays the same from run to run.
   */
  WEB_ADDRESS: pageAddress.optional(),
  /** True: the page shows everything and takes no commands. */
  WEB_READ_ONLY: flag.default(false),
  /** True: WEB_ADDRESS may be one that other machines reach, although the page has no TLS. */
  WEB_ALLOW_NETWORK: flag.default(false),
  /** The Temporal UI of your own server, to which the page links; that of the embedded one is known. */
  TEMPORAL_UI_URL: webUrl.optional(),
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
    .number({ error: english`must be a number of seconds, or 0` })
    .min(0, english`must be a number of seconds, or 0`)
    .max(86_400, english`must be at most a day in seconds`)
    .default(180),
  /** The language of messages and notifications; that of the locale when not given. */
  LANGUAGE_TAG: z.enum(languageTags, { error: english`must be ${languageTags.join(' or ')}` }).optional(),
  /** Seconds between two looks for what the channels of `notify` are to be told of. */
  NOTIFY_SECONDS: seconds.default(15),
  /** Days without a success of a tree after which people are told; 0: never. */
  NOTIFY_NO_SUCCESS_DAYS: whole(0, 3650).default(8),
  /**
   * Windows only: an archive counts as synced this long after its last byte was written (twice LTFS's default index
   * period).
   */
  TAPE_SYNC_INTERVAL: seconds.default(600),
});

/** The settings as the schema reads them. */
export type SettingValues = z.output<typeof settingsSchema>;

/** The name of a setting, as in the environment. */
export type SettingName = keyof SettingValues;
