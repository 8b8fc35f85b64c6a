import { z } from 'zod';
import { english } from '../../messages/sentence.js';
import { usageFailure } from '../failures.js';
import { channelsSchema, keysOfChannel } from './channels.js';
import { hookSchema } from './hooks.js';
import { didYouMean } from './setting-names.js';
import { firstProblem, wrongSetting } from './setting-problems.js';
import { driveKind, driveOrPoolName, keepCounts, retention, text } from './setting-types.js';
import { settingsSchema } from './settings-schema.js';

const driveSchema = z.strictObject({ path: text, kind: driveKind.default('directory') });

/** A pool keeps its sets for a time, by count, or by both. */
const poolSchema = z
  .strictObject({ retention: retention.optional(), keep: keepCounts.optional() })
  .refine(({ retention, keep }) => retention !== undefined || keep !== undefined, {
    error: english`must have a retention such as "30d", or what to keep, such as "daily 7, monthly 12"`,
  });

/** What stands in the file besides settings. */
const namedSchema = z.object({
  drives: z.record(driveOrPoolName, driveSchema).optional(),
  pools: z.record(driveOrPoolName, poolSchema).optional(),
  notify: channelsSchema.optional(),
  hooks: z.record(driveOrPoolName, hookSchema).optional(),
});

/** What the configuration file has besides settings. */
export type ConfigLists = z.output<typeof namedSchema>;

/** The file as a whole. docs/schemas/ has its JSON Schema, which an editor finds by `$schema`. */
export const configFileSchema = z
  .strictObject({ $schema: text.optional(), ...settingsSchema.shape, ...namedSchema.shape })
  .meta({ description: 'tapeflow.config.json: the settings, as docs/operations.md has them.' });

/**
 * The drives, pools and channels of the configuration file; throws a usage failure for what is wrong or unknown in
 * them.
 */
export function checkedLists(file: Record<string, unknown>, fileName: string): ConfigLists {
  const parsed = namedSchema.safeParse(file);
  if (parsed.success) return parsed.data;
  const { name, problem, unknown, known } = firstProblem(parsed.error, file, ([place, which]) =>
    place === 'notify'
      ? keysOfChannel((file['notify'] as unknown[])[Number(which)])
      : Object.keys({ drives: driveSchema, hooks: hookSchema }[String(place)]?.shape ?? poolSchema.shape),
  );
  if (!unknown) throw wrongSetting(name, fileName, problem);
  throw usageFailure(
    'UnknownSetting',
    english`${fileName} has an unknown setting ${JSON.stringify(name)}.`,
    didYouMean(name.split('.').at(-1) ?? '', new Set(known)),
  );
}
