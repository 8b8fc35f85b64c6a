import { existsSync } from 'node:fs';
import { english } from '../../messages/sentence.js';
import { isPostgres, shownCatalog } from '../../config/catalog-url.js';
import { TapeflowFailure, usageFailure } from '../../config/failures.js';
import { openCatalog, type Catalog } from '../open-catalog.js';
import { type CatalogInfo, isCatalog, publishCopy, requireReplaceable } from './back-up-catalog.js';
import { copyRows, isEmpty, type CopiedTable } from './copy-rows.js';
import { endWorkersAdvice, requireClosed } from './restore-catalog.js';

/** What was copied of a catalog, by table. */
export type CopiedTables = Record<string, CopiedTable>;

const nothingDone = english`Nothing was copied.`;

/**
 * Copies a catalog that nobody uses to a place where there is none: from SQLite to PostgreSQL, back, or to another
 * server. All of it in one transaction there, which is committed once every table was read there again and is the
 * same. If killed, it leaves an empty catalog, and can be repeated. The original stays as it is.
 *
 * @param from,to absolute path of an SQLite file, or URL of a PostgreSQL database.
 */
export async function copyCatalog(from: string, to: string): Promise<CopiedTables> {
  if (from === to) throw usageFailure('WrongCatalog', english`Both are the same catalog.`, nothingDone);
  if (!isPostgres(from)) requireClosedFile(from);
  return withCatalog(from, async (source) => {
    await requireAlone(source, from);
    return withCatalog(to, async (target) => {
      await requireAlone(target, to);
      if (!(await isEmpty(target)))
        throw usageFailure(
          'WrongCatalog',
          english`${shownCatalog(to)} is a catalog already.`,
          `${nothingDone} ${isPostgres(to) ? english`Name an empty database or schema.` : english`Name a new file.`}`,
        );
      return source
        .transaction()
        .execute((rows) => target.transaction().execute((copy) => copyRows(rows, copy)));
    });
  });
}

/**
 * Writes a copy of a catalog in PostgreSQL to a file, as an SQLite catalog, while others may be using it: one snapshot,
 * checked, synced and private, renamed only when complete. An earlier copy of that name is replaced.
 */
export async function backUpServer(catalog: Catalog, to: string): Promise<CatalogInfo> {
  requireReplaceable(undefined, to);
  return publishCopy(to, async (part) => {
    await withCatalog(part, (copy) =>
      catalog
        .transaction()
        .setAccessMode('read only')
        .execute((rows) => copy.transaction().execute((into) => copyRows(rows, into))),
    );
  });
}

async function withCatalog<Result>(
  where: string,
  use: (catalog: Catalog) => Promise<Result>,
): Promise<Result> {
  const catalog = await openCatalog(where);
  try {
    return await use(catalog);
  } finally {
    await catalog.destroy();
  }
}

function requireClosedFile(file: string): void {
  if (!existsSync(file)) throw usageFailure('NoSuchFile', english`There is no file ${file}.`, nothingDone);
  if (!isCatalog(file))
    throw usageFailure('WrongFile', english`${file} is not a tapeflow catalog.`, nothingDone);
  requireClosed(file);
}

/** Requires that no other process is connected to a catalog in PostgreSQL. */
async function requireAlone(catalog: Catalog, where: string): Promise<void> {
  if (!isPostgres(where)) return;
  const { isOnlyUser } = await import('../postgres/only-user.js');
  if (await isOnlyUser(catalog)) return;
  throw new TapeflowFailure('CatalogInUse', english`The catalog ${shownCatalog(where)} is in use.`, {
    advice: `${nothingDone} ${endWorkersAdvice}`,
  });
}
