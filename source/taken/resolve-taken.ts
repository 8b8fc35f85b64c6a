import { readFileSync } from 'node:fs';
import { describeError, systemErrorCode, usageFailure } from '../../config/failures.js';
import { Excludes, type ExcludeRule } from '../../entry/excludes.js';
import { globProblem } from '../../entry/globs.js';
import type { TakenOptions } from '../../entry/tally.js';
import { english } from '../../messages/sentence.js';
import { listSource, readList, unpackNames, type ListRequest, type ReadList } from './listed-paths.js';
import { resolveExclude } from './resolve-excludes.js';

/** An exclude, or a file of them (absolute path), in the order in which they were given. */
export type AskedExclude = { glob: string } | { file: string };

/** What of its sources a backup is to take, as it was asked for; files are read when it begins. */
export interface TakenRequest {
  /** Where the user stood: relative paths begin there. */
  from: string;
  excludes: AskedExclude[];
  list?: ListRequest;
  options: TakenOptions;
}

/** The same with every file read and every path resolved. */
export interface Taken {
  /** The paths, and the list if there is one. */
  sources: string[];
  excludes: ExcludeRule[];
  taken: TakenOptions;
  /** The paths of the list, as a set keeps them. */
  list?: Buffer;
}

/**
 * Reads and resolves what is asked for. Throws usage failures: for a file that cannot be read, for a pattern that can
 * never match, and for a list of which the excludes take everything.
 *
 * @param paths absolute paths of the sources, links resolved.
 * @param elsewhere they are on another host: links in patterns are not looked at, and a list cannot be.
 */
export function resolveTaken(request: TakenRequest, paths: readonly string[], elsewhere = false): Taken {
  const { from, options } = request;
  const globs = request.excludes.flatMap((asked) =>
    'glob' in asked ? [checked(asked.glob, '--exclude')] : globsIn(asked.file),
  );
  const excludes = globs.map((glob) =>
    resolveExclude(glob, { from, sources: paths, ...(elsewhere ? { realpath: notHere } : {}) }),
  );
  if (request.list === undefined) return { sources: [...paths], excludes, taken: options };
  const { list, packed } = readList(request.list, from, paths);
  if (paths.length === 0) requireSomeListed({ list, packed }, excludes);
  const sources = [...paths, listSource(request.list)].sort();
  return { sources, excludes, taken: { ...options, list }, list: packed };
}

/** What is on another host has no links here. */
function notHere(path: string): never {
  throw new Error(`${path} is on another host`);
}

/** The patterns of a file: one on each line, but for empty ones and those that begin with a `#`. */
function globsIn(file: string): string[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8').replace(/^\ufeff/, '');
  } catch (error) {
    const missing = systemErrorCode(error) === 'ENOENT';
    throw usageFailure(
      'NoSuchExcludes',
      missing
        ? english`The file ${file} of --exclude-from does not exist.`
        : english`The file ${file} of --exclude-from cannot be read: ${describeError(error)}.`,
      english`Nothing was started.`,
    );
  }
  return text
    .split(/\r?\n/)
    .map((line, at) => ({ line, at }))
    .filter(({ line }) => line !== '' && !line.startsWith('#'))
    .map(({ line, at }) => checked(line, `${file}:${at + 1}`));
}

/** A pattern that can match something; `where`: where it was given. */
function checked(glob: string, where: string): string {
  const wrong = globProblem(glob.replace(/^!/, ''));
  if (wrong !== undefined)
    throw usageFailure(
      'WrongGlob',
      english`${where} cannot be "${JSON.stringify(glob).slice(1, -1)}": ${wrong.fault}.`,
      wrong.advice,
    );
  if (glob.includes('\ufffd'))
    throw usageFailure(
      'NotUtf8',
      english`${where}: the exclude ${glob} is not valid UTF-8.`,
      english`Use \`?\` or \`*\` in place of such a byte.`,
    );
  return glob;
}

function requireSomeListed({ list, packed }: ReadList, rules: readonly ExcludeRule[]): void {
  if (rules.length === 0) return;
  const excludes = new Excludes(rules);
  const isLeft = (name: string) => {
    const rule = excludes.decides(name, name.split('/').length);
    return rule === undefined || excludes.keeps(rule);
  };
  if (unpackNames(packed).some(isLeft)) return;
  throw usageFailure(
    'AllExcluded',
    english`The excludes take everything that the list ${list.file} names.`,
    english`Nothing was started; leave one of them out.`,
  );
}
