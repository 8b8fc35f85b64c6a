import { readFileSync } from 'node:fs';
import path from 'node:path';
import { english } from '../../messages/sentence.js';
import { usageFailure } from '../failures.js';

// Every process asks the file for its language before anything else: nothing here loads the settings and their schema.

/** Names a configuration file to use instead of the project's. */
export const configFileVariable = 'TAPEFLOW_CONFIG';

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
