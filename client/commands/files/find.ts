import type { Command } from 'commander';
import { setWithFiles } from '../../../catalog/sets/sets.js';
import { inReadOnlySession, type Session } from '../../session.js';
import { requireGlob } from '../../print/names.js';
import { rowFilter, type RowCriteria } from '../../print/row-filter.js';
import { RowPrinter } from '../../print/row-printer.js';
import { exitCodes } from '../../exit-codes.js';
import { filesFound } from './find-files.js';
import { english } from '../../../messages/sentence.js';
import { t } from '../../../messages/shown.js';

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
  requireGlob(glob, english`The pattern`);
  const isWished = rowFilter(flags, Date.now());
  const { set: setId } = flags;
  const catalog = await session.catalog();
  if (setId !== undefined) await setWithFiles(catalog, setId);
  const print = new RowPrinter(session, catalog, true);
  let found = 0;
  for await (const page of filesFound(catalog, glob, setId)) {
    for (const row of page) {
      if (!isWished(row)) continue;
      found += 1;
      await print.row(row);
    }
  }
  if (found > 0) return;
  const isNarrowed = Object.keys(flags).some((name) => name !== 'set');
  const pattern = JSON.stringify(glob);
  session.say(
    isNarrowed ? t`No file of that time and size matches ${pattern}.` : t`No file matches ${pattern}.`,
  );
  process.exitCode = exitCodes.failure;
}
