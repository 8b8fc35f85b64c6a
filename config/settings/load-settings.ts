import { existsSync } from 'node:fs';
import { complete } from './complete-settings.js';
import { checkedLists } from './config-file.js';
import { configFileOf, configFileVariable, readConfigFile } from './read-config-file.js';
import { checkNames } from './setting-names.js';
import { firstProblem, wrongSetting } from './setting-problems.js';
import { settingsSchema } from './settings-schema.js';
import type { Settings } from './settings.js';

/**
 * Reads the settings: the environment wins over `tapeflow.config.json`, that over the defaults.
 * Throws a usage failure with one sentence for an unknown or wrong one.
 */
export function loadSettings(env: NodeJS.ProcessEnv, homeDir: string): Settings {
  const fileName = configFileOf(env, homeDir);
  const file = existsSync(fileName) || env[configFileVariable] ? readConfigFile(fileName) : {};
  checkNames(env, file, fileName);

  const { given, origins } = givenSettings(env, file, fileName);
  const parsed = settingsSchema.safeParse(given);
  if (!parsed.success) {
    const { name, problem } = firstProblem(parsed.error, given, () => []);
    throw wrongSetting(name, origins[name] ?? 'default', problem);
  }
  const lists = checkedLists(file, fileName);
  for (const list of ['drives', 'pools', 'notify', 'hooks'] as const)
    origins[list] = lists[list] === undefined ? 'default' : fileName;
  return complete(parsed.data, lists, { homeDir, origins, env });
}

/** The given values, and where each comes from. */
function givenSettings(
  env: NodeJS.ProcessEnv,
  file: Record<string, unknown>,
  fileName: string,
): { given: Record<string, unknown>; origins: Record<string, string> } {
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
  return { given, origins };
}
