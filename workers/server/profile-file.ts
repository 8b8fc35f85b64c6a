import { readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { loadClientConfigFromToml } from '@temporalio/envconfig';
import { describeError, systemErrorCode, usageFailure } from '../../config/failures.js';
import { english } from '../../messages/sentence.js';

/** Temporal's own file of connection profiles (TOML), shared with its other tools. */
export interface ProfileFile {
  /** Its path; undefined where this system has no place for it. */
  file: string | undefined;
  /** The profile that is used. */
  name: string;
  /** The file's text; undefined when no profile of it is used. */
  text: string | undefined;
}

const defaultProfile = 'default';

/**
 * Reads the file that `TEMPORAL_CONFIG_FILE` names, or else the one at its usual place. Without an `asked` profile its
 * profile `default` is used, if there is one. Throws a usage failure when what was named is not there.
 */
export function readProfiles(variables: Record<string, string>, asked: string | undefined): ProfileFile {
  const named = variables['TEMPORAL_CONFIG_FILE'];
  const file = named ?? usualFile(variables);
  const name = asked ?? defaultProfile;
  const text = file === undefined ? undefined : textOf(file, named !== undefined, asked);
  if (file === undefined || text === undefined) {
    if (asked === undefined) return { file, name, text: undefined };
    throw wrongConfig(english`There is no file of Temporal's profiles, and TEMPORAL_PROFILE names ${asked}.`);
  }
  const profiles = profilesIn(file, text);
  if (profiles.includes(name)) return { file, name, text };
  if (asked === undefined) return { file, name, text: undefined };
  throw wrongConfig(
    english`There is no profile ${asked} in ${file}, which TEMPORAL_PROFILE names.`,
    profiles.length === 0
      ? english`It begins with [profile.${asked}].`
      : english`It has: ${profiles.join(', ')}.`,
  );
}

/** Undefined for a file that is not there, and that nobody has asked for. */
function textOf(file: string, isNamed: boolean, asked: string | undefined): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT' && !isNamed && asked === undefined) return undefined;
    const why = describeError(error);
    throw wrongConfig(
      isNamed
        ? english`The file of Temporal's profiles ${file}, which TEMPORAL_CONFIG_FILE names, cannot be read:
          ${why}.`
        : asked === undefined
          ? english`The file of Temporal's profiles ${file} cannot be read: ${why}.`
          : english`The file of Temporal's profiles ${file}, where the profile ${asked} should be, cannot be
            read: ${why}.`,
    );
  }
}

function profilesIn(file: string, text: string): string[] {
  try {
    return Object.keys(loadClientConfigFromToml(Buffer.from(text), { strict: false }).profiles);
  } catch (error) {
    // A file without any profile: `@temporalio/envconfig` 1.24 expects one.
    if (error instanceof TypeError) return [];
    throw wrongConfig(english`The file of Temporal's profiles ${file} is wrong: ${describeError(error)}.`);
  }
}

function wrongConfig(message: string, advice?: string): Error {
  return usageFailure('WrongTemporalConfig', message, advice);
}

/** The same place as for Temporal's command line. */
function usualFile(variables: Record<string, string>): string | undefined {
  const folder = configFolder(os.platform(), variables);
  return folder === undefined ? undefined : path.join(folder, 'temporalio', 'temporal.toml');
}

function configFolder(platform: NodeJS.Platform, variables: Record<string, string>): string | undefined {
  const { HOME: home, APPDATA: roaming, XDG_CONFIG_HOME: config } = variables;
  if (platform === 'win32') return roaming;
  if (platform !== 'darwin' && config !== undefined) return path.isAbsolute(config) ? config : undefined;
  if (home === undefined) return undefined;
  return platform === 'darwin'
    ? path.join(home, 'Library', 'Application Support')
    : path.join(home, '.config');
}
