import { fromBytes, fromText } from '../../../entry/byte-string.js';
import type { NameQuery } from '../../../catalog/files/file-names.js';
import { filesBelow, filesNamed } from '../../../catalog/files/search.js';
import type { Catalog } from '../../../catalog/open-catalog.js';
import type { FileRow } from '../../../catalog/rows.js';
import { globFilter } from '../../../entry/globs.js';

/** The entries that a glob means, in pages that may be empty; of one set, or of all, newest first. */
export async function* filesFound(
  catalog: Catalog,
  glob: string,
  setId: string | undefined,
): AsyncGenerator<FileRow[]> {
  const isMeant = entryFilter(glob);
  const name = nameWish(glob);
  const pages =
    name === undefined ? filesBelow(catalog, setId, literalPrefix(glob)) : filesNamed(catalog, setId, name);
  for await (const page of pages) yield page.filter(({ path }) => isMeant(fromBytes(path)));
}

/** Whether a pattern matches the entry itself and not only a folder above it. */
export function entryFilter(glob: string): (name: string) => boolean {
  const matches = globFilter([glob]);
  // Parent folders matter only if the pattern names them: `*.d` also matches `b.d` inside `a.d`.
  if (plainName(glob) !== undefined) return (name) => matches(/[^/]*\/?$/.exec(name)?.[0] ?? '');
  return (name) => {
    if (name === '' || !matches(name)) return false;
    const parent = name.replace(/[^/]+\/?$/, '');
    return parent === '' || !matches(parent);
  };
}

/** The prefix of all matches: a rooted pattern up to its first wildcard. */
function literalPrefix(glob: string): string {
  if (!glob.slice(0, -1).includes('/')) return '';
  const literal = /^[^*?[\\!]*/.exec(glob.replace(/^\//, ''))?.[0] ?? '';
  return fromText(literal.trimEnd());
}

/**
 * How to look up base names for a pattern that matches a name at any depth: one without a slash, or with only leading
 * `**`. Undefined for more complex patterns: then every file is checked.
 */
function nameWish(glob: string): NameQuery | undefined {
  const pattern = plainName(glob);
  if (pattern === undefined) return undefined;
  const parts = pattern.split(/[*?]+/).map(fromText);
  const [first = ''] = parts;
  if (parts.length === 1) return { exactly: first };
  if (first !== '') return { begins: first };
  const holds = parts.reduce((longest, part) => (part.length > longest.length ? part : longest));
  return holds === '' ? undefined : { holds };
}

/** The name in a pattern that matches a name at any depth; undefined for more complex patterns. */
function plainName(glob: string): string | undefined {
  const pattern = glob.replace(/^(\*\*\/)+/, '').replace(/\/$/, '');
  return /[/[\]\\]|^[!#]|\s$/.test(pattern) ? undefined : pattern;
}
