import type { Command } from 'commander';
import { fromBytes, fromText } from '../../archive/byte-string.js';
import { filesBelow } from '../../catalog/files.js';
import { globFilter } from '../../source/globs.js';
import { inSession, type Session } from '../session.js';
import { RowPrinter } from './ls.js';
import { exitCodes } from '../exit-codes.js';

/** `find GLOB`: files of every set by their name; the newest set first. */
export function addFind(program: Command): void {
  program
    .command('find')
    .description('find files in every set by a glob, such as `*.conf` or `/etc/**/hosts`')
    .argument('<glob>', 'gitignore rules: without a slash it matches a name at any depth')
    .option('--set <id>', 'only in this set')
    .action((glob: string, { set }: { set?: string }, command: Command) =>
      inSession(command, (session) => find(session, glob, set)),
    );
}

async function find(session: Session, glob: string, setId: string | undefined): Promise<void> {
  const catalog = await session.catalog();
  const matches = globFilter([glob]);
  const print = new RowPrinter(session, catalog);
  let found = 0;
  for await (const page of filesBelow(catalog, setId, literalPrefix(glob))) {
    for (const row of page) {
      if (!matchesItself(matches, fromBytes(row.path))) continue;
      found += 1;
      await print.row(row);
    }
  }
  if (found > 0) return;
  if (!session.json) session.say(`No file matches ${glob}.`);
  process.exitCode = exitCodes.failure;
}

/** True when the pattern matches this very entry, not only a folder above it. */
function matchesItself(matches: (name: string) => boolean, name: string): boolean {
  if (name === '' || !matches(name)) return false;
  const parent = name.replace(/[^/]+\/?$/, '');
  return parent === '' || !matches(parent);
}

/** What every match begins with: the folders of a rooted pattern before its first wildcard. */
function literalPrefix(glob: string): string {
  if (!glob.slice(0, -1).includes('/')) return '';
  const literal = /^[^*?[\\!]*/.exec(glob.replace(/^\//, ''))?.[0] ?? '';
  return fromText(literal.slice(0, literal.lastIndexOf('/') + 1));
}
