import { realpathSync } from 'node:fs';
import path from 'node:path';
import { usageFailure } from '../../config/failures.js';
import { toBytes } from '../../entry/byte-string.js';
import type { ExcludeRule } from '../../entry/excludes.js';
import { memberNameOfText } from '../../entry/member-name.js';
import { escapePart, leadsInto, literalOf, parsePathPattern } from '../../entry/path-pattern.js';
import { english } from '../../messages/sentence.js';

/** Where excludes are seen from. */
export interface ExcludeView {
  /** Absolute path of the folder where their author stands. */
  from: string;
  /** Absolute paths of the sources, links resolved. */
  sources: readonly string[];
  platform?: NodeJS.Platform;
  /** Resolves the links of a path that exists; throws for one that does not. */
  realpath?: (path: string) => string;
}

/**
 * What an exclude means. Without a slash, other than at its end, or with `**` before its first one, it is a name: it
 * matches anywhere in a source. Else it is a path: an absolute one, or one from where its author stands, or, where
 * that leads into no source, from each source.
 */
export function resolveExclude(given: string, view: ExcludeView): ExcludeRule {
  const { platform = process.platform } = view;
  const body = given.startsWith('!') ? given.slice(1) : given;
  const text = platform === 'win32' ? body.replaceAll('\\', '/') : body;
  const isName = !text.slice(0, -1).includes('/') && !/^\.{1,2}\/?$/.test(text);
  if (isName || text.startsWith('**/')) return text === body ? given : { given, means: [text] };
  if (isAbsolute(text, platform)) return { given, means: [meaning(text, undefined, view)] };
  const seen = meaning(text, view.from, view);
  const pattern = parsePathPattern(seen);
  const leads = (source: string) => leadsInto(pattern, namesOf(source, platform));
  // What begins with `..`, or is `.`, can only be meant from where its author stands.
  if (/^(\.\.(\/|$)|\.\/*$)/.test(text) || view.sources.length === 0 || view.sources.some(leads))
    return { given, means: [seen] };
  return { given, means: view.sources.map((source) => meaning(text, source, view)) };
}

/** The excludes that are paths and lead into no source: they can take nothing. */
export function strayExcludes(
  rules: readonly ExcludeRule[],
  sources: readonly string[],
  platform = process.platform,
): ExcludeRule[] {
  const places = sources.map((source) => namesOf(source, platform));
  const leads = (means: string) => places.some((place) => leadsInto(parsePathPattern(means), place));
  return rules.filter((rule) => typeof rule !== 'string' && !rule.means.some(leads));
}

function isAbsolute(text: string, platform: NodeJS.Platform): boolean {
  return text.startsWith('/') || (platform === 'win32' && /^[A-Za-z]:/.test(text));
}

/** The names of an absolute path, as in the member names; byte strings. */
function namesOf(absolute: string, platform: NodeJS.Platform): string[] {
  return memberNameOfText(absolute, platform)
    .split('/')
    .filter((name) => name !== '');
}

/**
 * The pattern, anchored at the root of the file system, of a path that may have wildcards. Its part before the first
 * wildcard is a path of the file system: its links are resolved, except that of what it names itself.
 */
function meaning(text: string, base: string | undefined, view: ExcludeView): string {
  const { platform = process.platform } = view;
  const paths = platform === 'win32' ? path.win32 : path.posix;
  const parts = text.split('/').filter((part) => part !== '' && part !== '.');
  const wild = parts.findIndex((part) => literalOf(part) === undefined);
  const fixed = wild === -1 ? parts : parts.slice(0, wild);
  const rest = wild === -1 ? [] : parts.slice(wild);
  if (rest.includes('..'))
    throw usageFailure(
      'WrongGlob',
      english`--exclude cannot be ${JSON.stringify(text)}: it has a .. behind a wildcard.`,
      english`Write the path without it.`,
    );
  const plain = fixed.map((part) => part.replace(/\\(.)/gs, '$1')).join('/');
  // On Windows two slashes begin a network share, and `C:` alone is where one stands on that drive.
  const root = base ?? (/^\/*/.exec(text)?.[0] ?? '').slice(0, platform === 'win32' ? 2 : 1);
  const named = base === undefined ? paths.resolve(`${root}${plain}/`) : paths.resolve(root, plain);
  const found = rest.length > 0 ? trueFolder(named, view, paths) : trueEntry(named, view, paths);
  const names = namesOf(found, platform).map((name) => escapePart(toBytes(name).toString('utf8')));
  return `/${[...names, ...rest].join('/')}${text.endsWith('/') ? '/' : ''}`;
}

/** A path with the links of the folders above it resolved; one that leads to a source as the source. */
function trueEntry(named: string, view: ExcludeView, paths: path.PlatformPath): string {
  const { sources, realpath = realpathSync } = view;
  const above = paths.dirname(named);
  const found = above === named ? named : paths.join(trueFolder(above, view, paths), paths.basename(named));
  if (sources.includes(found)) return found;
  try {
    const real = realpath(named);
    return sources.includes(real) ? real : found;
  } catch {
    return found;
  }
}

/** A path with links resolved as far as it exists. */
function trueFolder(folder: string, view: ExcludeView, paths: path.PlatformPath): string {
  const { realpath = realpathSync } = view;
  try {
    return realpath(folder);
  } catch {
    const above = paths.dirname(folder);
    return above === folder ? folder : paths.join(trueFolder(above, view, paths), paths.basename(folder));
  }
}
