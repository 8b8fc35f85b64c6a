import { lstatSync, realpathSync } from 'node:fs';
import { TapeflowFailure, describeError, systemErrorCode, usageFailure } from '../config/failures.js';
import { outermost } from '../source/sources.js';
import { userPath } from './session.js';

/**
 * The sources for the scan: absolute, links resolved, none inside another. Throws a usage failure that names the first
 * missing one.
 */
export function resolveSources(given: readonly string[]): string[] {
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
          ? `The source ${asked} does not exist.`
          : `The source ${asked} cannot be read: ${describeError(error)}.`,
        'Nothing was started.',
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
function refuseInvalidText(text: string, what = 'source'): void {
  if (!text.includes('\ufffd')) return;
  throw usageFailure(
    'NotUtf8',
    `The ${what} ${text} is not valid UTF-8, and such a name cannot be given on a command line.`,
    what === 'source'
      ? 'Give the folder above it: the names inside a source may be any bytes.'
      : 'Use `?` or `*` in place of such a byte.',
  );
}

/** The paths as stored in sets. A source may be gone while its sets still exist. */
export function sourcesOf(given: readonly string[]): string[] {
  return outermost(
    given.map((text) => {
      const asked = userPath(text);
      try {
        return realpathSync(asked);
      } catch {
        return asked;
      }
    }),
  );
}
