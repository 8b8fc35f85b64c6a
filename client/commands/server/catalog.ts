import { existsSync, renameSync } from 'node:fs';
import path from 'node:path';
import type { Command } from 'commander';
import { english } from '../../../messages/sentence.js';
import { t } from '../../../messages/shown.js';
import { backUpCatalog, type CatalogInfo } from '../../../catalog/backup/back-up-catalog.js';
import { backUpServer, copyCatalog } from '../../../catalog/backup/copy-catalog.js';
import { catalogFailure } from '../../../catalog/catalog-failure.js';
import { restoreCatalog, type RestoredCatalog } from '../../../catalog/backup/restore-catalog.js';
import { formatCount } from '../../../config/counts.js';
import { describeHolder, tryLock } from '../../../disk/exclusive-lock.js';
import { isPostgres, shownCatalog } from '../../../config/catalog-url.js';
import { TapeflowFailure, usageFailure } from '../../../config/failures.js';
import { formatBytes } from '../../../config/sizes.js';
import { hostLockFile } from '../../../embedded/host-file.js';
import { usesOwnServer } from '../../../workers/server/own-server.js';
import { inSession, userPath, type Session } from '../../session.js';

/**
 * `catalog backup FILE` and `catalog restore FILE`: copies the catalog at any time, and restores a copy. `catalog copy
 * FROM TO` moves it between SQLite and PostgreSQL.
 */
export function addCatalog(program: Command): void {
  const catalog = program.command('catalog').description('copy the catalog, restore a copy, or move it');
  catalog
    .command('backup')
    .description('write a checked copy of the catalog to a file; also while sets run')
    .argument('<file>', 'the copy; an earlier copy of that name is replaced')
    .action((file: string, _options, command: Command) =>
      inSession(command, (session) => backUp(session, userPath(file))),
    );
  catalog
    .command('restore')
    .description('put a copy in place of the catalog, which is kept beside it; nothing may run meanwhile')
    .argument('<file>', 'a copy that `catalog backup` has made, or another copy of a catalog')
    .option('--other-installation', 'also the catalog of another installation')
    .action((file: string, flags: { otherInstallation?: true }, command: Command) =>
      inSession(command, (session) => putBack(session, userPath(file), flags.otherInstallation === true)),
    );
  catalog
    .command('copy')
    .description('copy a catalog that nobody uses from SQLite to PostgreSQL, or back, and compare both')
    .argument('<from>', 'the path of an SQLite file, or a URL postgres://…')
    .argument('<to>', 'a new file, or a URL postgres://… of an empty database')
    .action((from: string, to: string, _options, command: Command) =>
      inSession(command, (session) => copy(session, from, to)),
    );
}

/** The argument of a command as in `CATALOG_URL`, relative to where the user stands. */
const catalogAt = (given: string) => (isPostgres(given) ? given : userPath(given));

async function copy(session: Session, from: string, to: string): Promise<void> {
  const [source, target] = [catalogAt(from), catalogAt(to)];
  const tables = await copyCatalog(source, target);
  const rows = Object.values(tables).reduce((sum, table) => sum + table.rows, 0);
  const places = { from: shownCatalog(source), to: shownCatalog(target) };
  if (session.json) {
    session.emit({ ...places, rows, tables });
    return;
  }
  const sets = formatCount(tables['sets']?.rows ?? 0, 'set');
  session.print(
    t`${places.to} has all of ${places.from}: ${sets}, ${formatCount(rows, 'row')} in all,
      read again there and the same.`,
  );
  session.print(
    t`Set CATALOG_URL to it for every worker and command: nothing must use the former one any more.`,
  );
}

async function backUp(session: Session, to: string): Promise<void> {
  const file = session.settings.CATALOG_URL;
  if (isPostgres(file)) {
    const catalog = await session.catalog();
    told(session, to, await withNames(to, () => backUpServer(catalog, to)));
    return;
  }
  if (!existsSync(file)) throw new TapeflowFailure('NoCatalog', english`There is no catalog ${file} yet.`);
  // Opens and thereby checks it: a copy of a damaged catalog must not replace an earlier copy.
  await session.catalog();
  told(session, to, await withNames(to, () => backUpCatalog(file, to)));
}

function told(session: Session, to: string, facts: CatalogInfo): void {
  if (session.json) session.emit({ file: to, ...facts });
  else
    session.print(
      t`The catalog is in ${to}: ${formatCount(facts.sets, 'set')}, ${formatBytes(facts.bytes)}, checked.`,
    );
}

async function putBack(session: Session, from: string, foreign: boolean): Promise<void> {
  const { settings } = session;
  const dataDir = settings.TAPEFLOW_DATA_DIR;
  if (isPostgres(settings.CATALOG_URL))
    throw usageFailure(
      'InPostgres',
      english`The catalog is in PostgreSQL, where nothing can be put in its place.`,
      english`Nothing was changed. \`CATALOG_URL=NEW.db tapeflow catalog restore ${from}\`, and then
        \`tapeflow catalog copy NEW.db postgres://…\` into an empty database, bring the copy there.`,
    );
  const locked = tryLock(hostLockFile(dataDir), { role: 'catalog restore', dataDir });
  if (!('lock' in locked))
    throw new TapeflowFailure(
      'CatalogInUse',
      english`Server and workers of ${dataDir} run: ${describeHolder(locked.heldBy)}.`,
      { advice: english`Nothing was changed. End them first: \`tapeflow down\`.` },
    );
  try {
    const now = new Date();
    const result = await withNames(settings.CATALOG_URL, () =>
      restoreCatalog(settings.CATALOG_URL, from, { foreign, now }),
    );
    // Its workflows belong to sets that this catalog has given up or does not know; it contains nothing else of value.
    const server = path.join(dataDir, 'temporal');
    if (result.isOlder && !usesOwnServer(settings) && existsSync(server))
      renameSync(server, `${server}.replaced-${now.getTime()}`);
    report(session, from, result);
  } finally {
    locked.lock.release();
  }
}

function report(session: Session, from: string, result: RestoredCatalog): void {
  if (session.json) {
    session.emit({ file: session.settings.CATALOG_URL, from, ...result });
    return;
  }
  const { sets, newest, replaced, givenUp, isOlder } = result;
  const last = newest === null ? '' : t`, the newest ${newest}`;
  session.print(
    t`The catalog is that of ${from}: ${formatCount(sets, 'set')}${last}.` +
      (replaced === undefined ? '' : t` The one that was there is ${replaced}.`),
  );
  if (!isOlder) return;
  if (givenUp.length > 0)
    session.print(
      t`Given up, since they were unfinished then: ${givenUp.join(', ')}. \`tapeflow status\` says why.`,
    );
  session.print(t`\`tapeflow tape catalog\`, with each tape that was written to since, reads what is newer.`);
}

/** Turns errors of SQLite and the system into sentences that name the file. */
async function withNames<Result>(file: string, run: () => Promise<Result>): Promise<Result> {
  try {
    return await run();
  } catch (error) {
    throw catalogFailure(error, file);
  }
}
