import { readFileSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { english } from '../../messages/sentence.js';
import { usageFailure } from '../failures.js';
import { channelsSchema, keysOfChannel } from './channels.js';
import { hookSchema } from './hooks.js';
import { configFileVariable, didYouMean } from './setting-names.js';
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

/** A text that the configuration file gives, before anything is checked; undefined where it gives none. */
export function givenInFile(env: NodeJS.ProcessEnv, homeDir: string, name: string): string | undefined {
  try {
    const value = readConfigFile(configFileOf(env, homeDir))[name];
    return typeof value === 'string' ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Path of the configuration file: the one that is named in the environment, or the usual one. */
export function configFileOf(env: NodeJS.ProcessEnv, homeDir: string): string {
  return path.resolve(homeDir, env[configFileVariable] || 'tapeflow.config.json');
}

/** The object in a configuration file; throws a usage failure when there is none. */
export function readConfigFile(file: string): Record<string, unknown> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw usageFailure(
      'WrongConfigFile',
      english`The configuration file ${file} cannot be read as JSON: ${why}.`,
    );
  }
  if (parsed === null || typeof parsed !== 'object' || Array.isArray(parsed)) {
    throw usageFailure('WrongConfigFile', english`The configuration file ${file} must hold one JSON object.`);
  }
  return parsed as Record<string, unknown>;
}
