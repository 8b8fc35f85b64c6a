import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Secret } from '../../../config/settings/channels.js';
import { TapeflowFailure, describeError } from '../../../config/failures.js';
import { english } from '../../../messages/sentence.js';

/** Where values of channels come from. */
export interface SecretPlaces {
  env: NodeJS.ProcessEnv;
  /** Folder that the paths of files are relative to. */
  homeDir: string;
}

/**
 * The value of a channel's setting. Throws a sentence when its variable is not set, or its file cannot be read; the
 * last line break of a file does not count.
 */
export function secretValue(secret: Secret, { env, homeDir }: SecretPlaces): string {
  if (typeof secret === 'string') return secret;
  if ('env' in secret) {
    const value = env[secret.env];
    if (value !== undefined && value !== '') return value;
    throw new TapeflowFailure('NoSecret', english`The variable ${secret.env} is not set.`);
  }
  const file = path.resolve(homeDir, secret.file);
  let value: string;
  try {
    value = readFileSync(file, 'utf8').replace(/\r?\n$/, '');
  } catch (error) {
    throw new TapeflowFailure('NoSecret', english`The file ${file} cannot be read: ${describeError(error)}.`);
  }
  if (value === '') throw new TapeflowFailure('NoSecret', english`The file ${file} is empty.`);
  return value;
}
