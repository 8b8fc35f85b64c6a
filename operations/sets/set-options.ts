import { z } from 'zod';
import { archiveFormats } from '../../entry/archive-format.js';
import type { Settings } from '../../config/settings/settings.js';
import type { SetRow } from '../../catalog/rows.js';
import type { ChosenOptions } from '../../catalog/sets/chosen-options.js';

const schema = z.object({
  groupBytes: z.number(),
  groupFiles: z.number(),
  stagingBytes: z.number(),
  /** Not in snapshots of versions that had only gzip. */
  compression: z.enum(archiveFormats).default('gzip'),
  level: z.number(),
  parallelGroups: z.number(),
  syncBytes: z.number(),
  syncSeconds: z.number(),
  /** 0: off. Not in snapshots of versions without a watermark. */
  drainBytes: z.number().default(0),
  finalWaitSeconds: z.number(),
  heartbeatSeconds: z.number(),
  tapeRetrySeconds: z.number(),
  retrySeconds: z.number(),
  retryAttempts: z.number(),
  /** Left out where they are not chosen; see `IgnoredSigns`. */
  ignoreCtime: z.boolean().optional(),
  ignoreInode: z.boolean().optional(),
  /** Left out where it is not chosen; see `ChosenOptions`. */
  verify: z.boolean().optional(),
});

/** The settings of a set, and what was chosen for it, fixed when it began. */
export type SetOptions = z.output<typeof schema>;

/** Takes the snapshot. Sizes in bytes, times in seconds. */
export function snapshotOptions(settings: Settings, chosen: ChosenOptions = {}): SetOptions {
  return {
    groupBytes: settings.MAX_GROUP_SIZE,
    groupFiles: settings.MAX_GROUP_FILES,
    stagingBytes: settings.STAGING_MAX_BYTES,
    compression: settings.COMPRESSION,
    level: settings.COMPRESSION_LEVEL,
    parallelGroups: settings.PARALLEL_GROUPS,
    syncBytes: settings.TAPE_SYNC_BYTES,
    syncSeconds: settings.TAPE_SYNC_SECONDS,
    drainBytes: settings.TAPE_DRAIN_AT,
    finalWaitSeconds: settings.FINAL_WAIT_SECONDS,
    heartbeatSeconds: settings.HEARTBEAT_SECONDS,
    tapeRetrySeconds: settings.TAPE_RETRY_SECONDS,
    retrySeconds: settings.RETRY_SECONDS,
    retryAttempts: settings.RETRY_ATTEMPTS,
    ...(chosen.ignoreCtime === true ? { ignoreCtime: true } : {}),
    ...(chosen.ignoreInode === true ? { ignoreInode: true } : {}),
    ...(chosen.verify === true ? { verify: true } : {}),
  };
}

/** The snapshot of a set. */
export function setOptions(set: SetRow): SetOptions {
  return schema.parse(JSON.parse(set.options));
}
