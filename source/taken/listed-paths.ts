import { createHash } from 'node:crypto';
import { lstatSync, readFileSync, realpathSync } from 'node:fs';
import path from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { describeError, systemErrorCode, usageFailure } from '../../config/failures.js';
import { displayName, fromBytes, fromText, toBytes } from '../../entry/byte-string.js';
import { memberNameOf, parentNames, sourcePathOf } from '../../entry/member-name.js';
import type { TakenList } from '../../entry/tally.js';
import { english } from '../../messages/sentence.js';

/** A list of paths, as `--files-from` and `--files-from0` name it. */
export interface ListRequest {
  /** Absolute path; `-`: what comes on standard input. */
  file: string;
  /** Each path is ended by a NUL, not by a line end. */
  nul: boolean;
}

/** A list that was read, and its paths as a set keeps them: gzip of the member names, each ended by a NUL. */
export interface ReadList {
  list: TakenList & { sha256: string };
  packed: Buffer;
}

/** Where a list on standard input is said to be. */
const standardInput = '/dev/stdin';

/** The source that stands for a list. */
export function listSource({ file }: ListRequest): string {
  return file === '-' ? standardInput : file;
}

/**
 * Reads a list of paths: each is taken as it is, relative to a folder, without patterns, and a folder is taken with
 * everything in it. Throws a usage failure for a list that cannot be read or names nothing that exists.
 *
 * @param sources absolute paths of the sources that are taken anyway; what lies in them is dropped.
 */
export function readList(request: ListRequest, from: string, sources: readonly string[]): ReadList {
  const file = listSource(request);
  const option = request.nul ? '--files-from0' : '--files-from';
  const names = namesIn(bytesOf(request, option), request, option, from);
  const kept = outermostNames(
    names,
    sources.map((source) => memberNameOf(fromText(source), process.platform)),
  );
  if (names.length === 0 || (kept.length > 0 && !kept.some(isThere))) {
    const sentence =
      names.length === 0
        ? english`The list ${file} is empty.`
        : english`The list ${file} names nothing that exists, such as ${shown(kept[0])}.`;
    throw usageFailure('EmptyList', sentence, english`Nothing was started.`);
  }
  const joined = kept.map((name) => `${name}\0`).join('');
  const bytes = Buffer.from(joined, 'latin1');
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { list: { file, paths: kept.length, sha256 }, packed: gzipSync(bytes, { level: 1 }) };
}

/** The member names of a list as a set keeps it. */
export function unpackNames(packed: Uint8Array): string[] {
  return gunzipSync(packed).toString('latin1').split('\0').slice(0, -1);
}

function bytesOf({ file }: ListRequest, option: string): Buffer {
  try {
    return readFileSync(file === '-' ? 0 : file);
  } catch (error) {
    const missing = systemErrorCode(error) === 'ENOENT';
    throw usageFailure(
      'NoSuchList',
      missing
        ? english`The file ${file} of ${option} does not exist.`
        : english`The file ${file} of ${option} cannot be read: ${describeError(error)}.`,
      english`Nothing was started.`,
    );
  }
}

/** The member names of what a list names, in its order. */
function namesIn(bytes: Buffer, { file, nul }: ListRequest, option: string, from: string): string[] {
  const text = fromBytes(bytes);
  const hasNul = text.includes('\0');
  if (nul !== hasNul && text !== '')
    throw usageFailure(
      'WrongList',
      nul
        ? english`The list ${file} of ${option} has no NUL in it.`
        : english`The list ${file} of ${option} has a NUL in it.`,
      nul
        ? english`Give one of lines with --files-from.`
        : english`Give one whose paths end in a NUL with --files-from0.`,
    );
  const places = new Map<string, string>();
  return text
    .split(nul ? '\0' : '\n')
    .filter((line) => line !== '')
    .map((line) => nameOf(line, from, places));
}

/** The member name of a path in a list; the links of the folders above it are resolved, once for each folder. */
function nameOf(line: string, from: string, places: Map<string, string>): string {
  if (process.platform === 'win32') {
    const asked = path.resolve(from, toBytes(line).toString('utf8').replace(/\r$/, ''));
    return memberNameOf(fromText(asked), process.platform);
  }
  // Byte strings: a slash and a dot are the same in every encoding that names have.
  const asked = path.posix.resolve(fromText(from), line);
  const above = path.posix.dirname(asked);
  let place = places.get(above);
  if (place === undefined) places.set(above, (place = truePlace(above)));
  const found = asked === '/' ? '/' : path.posix.join(place, path.posix.basename(asked));
  return memberNameOf(found, process.platform);
}

function truePlace(folder: string): string {
  try {
    return fromBytes(realpathSync(toBytes(folder), 'buffer'));
  } catch {
    return folder;
  }
}

/** The names without those that lie in another one or in a source, each once, sorted. */
function outermostNames(names: readonly string[], sources: readonly string[]): string[] {
  const outer = new Set(sources);
  const all = new Set(names);
  if (outer.has('')) return [];
  if (all.has('')) return [''];
  const isInside = (name: string) => {
    for (const above of parentNames(name)) if (all.has(above) || outer.has(above)) return true;
    return outer.has(name);
  };
  return [...all].filter((name) => !isInside(name)).sort();
}

function isThere(name: string): boolean {
  try {
    return lstatSync(sourcePathOf(name, process.platform), { throwIfNoEntry: false }) !== undefined;
  } catch {
    // The scan says of one that cannot be looked at what is wrong with it.
    return true;
  }
}

function shown(name = ''): string {
  return `/${displayName(name)}`;
}
