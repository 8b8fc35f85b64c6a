import { exactText, fromBytes, parseDisplayName, fromText, displayName } from '../../entry/byte-string.js';
import { memberNameOf } from '../../entry/member-name.js';
import { usageFailure } from '../../config/failures.js';
import { globProblem } from '../../entry/globs.js';
import { userPath } from '../session.js';
import { english } from '../../messages/sentence.js';

/** The path of a catalog row for people: escaped, on one line. */
export function displayPath(memberName: Uint8Array): string {
  return `/${displayName(fromBytes(memberName))}`;
}

/**
 * A name for programs: the exact text under `key`. A name that is not valid UTF-8 is exact under `keyBase64`, and
 * escaped for people under `key`.
 */
export function jsonName(key: string, byteString: string): Record<string, string> {
  const text = exactText(byteString);
  if (text !== undefined) return { [key]: text };
  return {
    [key]: displayName(byteString),
    [`${key}Base64`]: Buffer.from(byteString, 'latin1').toString('base64'),
  };
}

/** `path` of a catalog row for programs. */
export function jsonPath(memberName: Uint8Array): Record<string, string> {
  return jsonName('path', `/${fromBytes(memberName)}`);
}

/** A word of a command line as a POSIX shell takes it, with quotes where it needs them. */
export function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** A text as JSON has it between its quotes. */
export function escaped(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

/** Refuses a glob that can never match; `what`: where it was given, such as `--exclude`. */
export function requireGlob(glob: string, what: string): void {
  const wrong = globProblem(glob);
  if (wrong === undefined) return;
  throw usageFailure(
    'WrongGlob',
    english`${what} cannot be "${escaped(glob)}": ${wrong.fault}.`,
    wrong.advice,
  );
}

/** Refuses what cannot be the name of a tape, a pool or a schedule; `what`: such as `pool name`. */
export function requireName(name: string, what: string, code = 'WrongName'): void {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(name)) return;
  throw usageFailure(
    code,
    english`"${escaped(name)}" is not a ${what}.`,
    english`Use letters, digits, dots, dashes and underscores.`,
  );
}

/** The member names that a path on the command line may mean: as written, and as `ls` shows it, with escapes. */
export function memberNamesOf(given: string): string[] {
  const path = userPath(given);
  const names = [fromText(path), parseDisplayName(path)].map((name) => memberNameOf(name, process.platform));
  return [...new Set(names)];
}
