import type { Command } from 'commander';
import { fromBytes, fromText } from '../../../entry/byte-string.js';
import type { NameQuery } from '../../../catalog/files/file-names.js';
import { filesBelow, filesNamed } from '../../../catalog/files/search.js';
import { setWithFiles } from '../../../catalog/sets/sets.js';
import { globFilter } from '../../../entry/globs.js';
import { inReadOnlySession, type Session } from '../../session.js';
import { requireGlob } from '../../print/names.js';
import { rowFilter, type RowCriteria } from '../../print/row-filter.js';
import { RowPrinter } from '../../print/row-printer.js';
import { exitCodes } from '../../exit-codes.js';

/** `find GLOB`: finds files of all sets by name, newest set first. */
export function addFind(program: Command): void {
  program
    .command('find')
    .argument('<glob>', 'gitignore rules: without a slash it matches a name at any depth')
    .option('--set <set>', 'only in this set')
    .option('--newer-than <time>', 'changed after a date, or within a time such as 36h or 7d')
    .option('--older-than <time>', 'changed before a date, or longer ago than a time')
    .option('--larger <size>', 'only files above a size such as 100MB')
    .option('--smaller <size>', 'only files below a size')
    .action((glob: string, flags: FindFlags, command: Command) =>
      inReadOnlySession(command, (session) => find(session, glob, flags)),
    );
}

interface FindFlags extends RowCriteria {
  set?: string;
}

async function find(session: Session, glob: string, flags: FindFlags): Promise<void> {
  requireGlob(glob, 'The pattern');
  const isWished = rowFilter(flags, Date.now());
  const { set: setId } = flags;
  const catalog = await session.catalog();
  if (setId !== undefined) await setWithFiles(catalog, setId);
  const isMeant = entryFilter(glob);
  const print = new RowPrinter(session, catalog, true);
  let found = 0;
  const name = nameWish(glob);
  const pages =
    name === undefined ? filesBelow(catalog, setId, literalPrefix(glob)) : filesNamed(catalog, setId, name);
  for await (const page of pages) {
    for (const row of page) {
      if (!isWished(row) || !isMeant(fromBytes(row.path))) continue;
      found += 1;
      await print.row(row);
    }
  }
  if (found > 0) return;
  const narrowed = Object.keys(flags).some((name) => name !== 'set') ? ' of that time and size' : '';
  session.say(`No file${narrowed} matches ${JSON.stringify(glob)}.`);
  process.exitCode = exitCodes.failure;
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
