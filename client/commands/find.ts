import ignore from 'ignore';
import type { Command } from 'commander';
import { fromBytes, fromText, toBytes } from '../../archive/byte-string.js';
import { filesBelow } from '../../catalog/files.js';
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
  const matcher = ignore({ allowRelativePaths: true, ignorecase: false }).add(glob);
  const print = new RowPrinter(session, catalog);
  let found = 0;
  for await (const page of filesBelow(catalog, setId, literalPrefix(glob))) {
    for (const row of page) {
      const name = toBytes(fromBytes(row.path)).toString('utf8');
      // `checkIgnore` looks at the entry itself; `ignores` would match all that lies in a folder that matches.
      if (name === '' || !matchesItself(matcher, name)) continue;
      found += 1;
      await print.row(row);
    }
  }
  if (found > 0) return;
  if (!session.json) session.say(`No file matches ${glob}.`);
  process.exitCode = exitCodes.failure;
}

/** True when the pattern matches this very entry, not only a folder above it. */
function matchesItself(matcher: ReturnType<typeof ignore>, name: string): boolean {
  if (!matcher.ignores(name)) return false;
  const parent = name.replace(/[^/]+\/?$/, '');
  return parent === '' || !matcher.ignores(parent);
}

/** What every match begins with: the folders of a rooted pattern before its first wildcard. */
function literalPrefix(glob: string): string {
  if (!glob.slice(0, -1).includes('/')) return '';
  const literal = /^[^*?[\\!]*/.exec(glob.replace(/^\//, ''))?.[0] ?? '';
  return fromText(literal.slice(0, literal.lastIndexOf('/') + 1));
}
