import { lstatSync, realpathSync } from 'node:fs';
import path from 'node:path';
import { TapeflowFailure, describeError, systemErrorCode, usageFailure } from '../config/failures.js';
import { hostPath } from '../entry/host-path.js';
import { outermost } from '../source/sources.js';
import { userPath } from './session.js';
import { english } from '../messages/sentence.js';

/** Sources of one host: absolute, none inside another. */
export interface HostSources {
  /** The other host that has them; undefined: this one. */
  elsewhere: string | undefined;
  paths: string[];
}

/** Sources as they were given, by their host; throws a usage failure when they are of several. */
function ofOneHost(given: readonly string[], ownName: string): HostSources {
  const parsed = given.map((text) => hostPath(text));
  const hosts = [...new Set(parsed.map(({ host }) => (host === ownName ? undefined : host)))];
  if (hosts.length > 1)
    throw usageFailure(
      'SeveralHosts',
      english`The sources are on several hosts: ${hosts.map((host) => host ?? ownName).join(', ')}.`,
      english`A set has the sources of one host: make a set for each; they are written to the same tapes.`,
    );
  return { elsewhere: hosts[0], paths: parsed.map(({ path }) => path) };
}

/**
 * The sources for the scan. Links of those of this host are resolved, and a usage failure names the first missing one;
 * what another host has is looked at by its own worker.
 */
export function resolveSources(given: readonly string[], ownName: string): HostSources {
  const { elsewhere, paths } = ofOneHost(given, ownName);
  if (elsewhere !== undefined) return { elsewhere, paths: outermost(paths.map(plainPath)) };
  return { elsewhere, paths: resolvedHere(paths) };
}

/** A path of another host, without what only its spelling has; that may be one of Windows. */
function plainPath(given: string): string {
  refuseInvalidText(given);
  if (given.startsWith('/')) return path.posix.resolve(given);
  return path.win32.resolve(given);
}

function resolvedHere(given: readonly string[]): string[] {
  const sources = given.map((text) => {
    const asked = userPath(text);
    refuseInvalidText(asked);
    let real: string;
    try {
      // A symbolic link given as a source stands for its target.
      real = realpathSync(asked);
      refuseInvalidText(real);
      lstatSync(real);
    } catch (error) {
      if (error instanceof TapeflowFailure) throw error;
      const missing = systemErrorCode(error) === 'ENOENT';
      throw usageFailure(
        'NoSuchSource',
        missing
          ? english`The source ${asked} does not exist.`
          : english`The source ${asked} cannot be read: ${describeError(error)}.`,
        english`Nothing was started.`,
      );
    }
    return real;
  });
  return outermost(sources);
}

/**
 * Refuses a path with invalid UTF-8, which arrives as U+FFFD: the original bytes are lost, and the result could name
 * something else.
 */
function refuseInvalidText(source: string): void {
  if (!source.includes('\ufffd')) return;
  throw usageFailure(
    'NotUtf8',
    english`The source ${source} is not valid UTF-8, and such a name cannot be given on a command line.`,
    english`Give the folder above it: the names inside a source may be any bytes.`,
  );
}

/** The paths as stored in sets. A source may be gone while its sets still exist. */
export function sourcesOf(given: readonly string[], ownName: string): HostSources {
  const { elsewhere, paths } = ofOneHost(given, ownName);
  if (elsewhere !== undefined) return { elsewhere, paths: outermost(paths.map(plainPath)) };
  const resolved = paths.map((text) => {
    const asked = userPath(text);
    try {
      return realpathSync(asked);
    } catch {
      return asked;
    }
  });
  return { elsewhere, paths: outermost(resolved) };
}
