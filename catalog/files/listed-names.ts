import { createHash, randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { fromBytes, toBytes } from '../../entry/byte-string.js';
import { parentNames, isInOrBelow, plainName } from '../../entry/member-name.js';
import { finalRetrievalStates } from '../schema/retrieval-tables.js';
import { executeMany } from '../execute-many.js';
import { contains } from '../dialect.js';
import type { Catalog } from '../open-catalog.js';

/** Milliseconds after which a list that no unfinished restore has is forgotten, whoever reads it still. */
const listLifeMs = 24 * 60 * 60 * 1000;

/**
 * Keeps a list of member names of any length; the same names in the same order make the same list, so that the command
 * that is given again finds its restore.
 *
 * @param pages names without a trailing `/`, as byte strings.
 * @returns the key of the list.
 */
export async function keepNameList(db: Catalog, pages: AsyncIterable<readonly string[]>): Promise<string> {
  await forgetOldLists(db);
  const reading = `reading ${randomUUID()}`;
  const hash = createHash('sha256');
  await db.insertInto('name_lists').values({ list: reading, created_at: Date.now() }).execute();
  for await (const names of pages) {
    for (const name of names) hash.update(toBytes(`${name}\0`));
    await db.transaction().execute(async (tx) => {
      const row = { list: reading, path: new Uint8Array() };
      const insert = tx
        .insertInto('listed_names')
        .values(row)
        .onConflict((c) => c.doNothing())
        .compile();
      await executeMany(
        tx,
        insert,
        names.map((name) => [reading, toBytes(name)]),
      );
    });
  }
  const list = hash.digest('hex');
  await db.transaction().execute(async (tx) => {
    await forgetList(tx, list);
    await tx.updateTable('name_lists').set({ list }).where('list', '=', reading).execute();
    await tx.updateTable('listed_names').set({ list }).where('list', '=', reading).execute();
  });
  return list;
}

/** Forgets a list. */
async function forgetList(db: Catalog, list: string): Promise<void> {
  await db.deleteFrom('listed_names').where('list', '=', list).execute();
  await db.deleteFrom('name_lists').where('list', '=', list).execute();
}

async function forgetOldLists(db: Catalog): Promise<void> {
  const old = await db
    .selectFrom('name_lists')
    .select('list')
    .where('created_at', '<', Date.now() - listLifeMs)
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('retrievals')
            .select('id')
            .where('state', 'not in', finalRetrievalStates)
            .where(contains(db, sql.ref('retrievals.selection'), sql.ref('name_lists.list'))),
        ),
      ),
    )
    .execute();
  for (const { list } of old) await db.transaction().execute((tx) => forgetList(tx, list));
}

/** Those of some member names that a list has, or that are below one that it has. */
export async function onList(
  db: Catalog,
  list: string,
  names: readonly string[],
): Promise<(name: string) => boolean> {
  const asked = new Set<string>();
  for (const name of names) {
    asked.add(plainName(name));
    for (const above of parentNames(name)) asked.add(above);
  }
  const found = new Set<string>();
  const all = [...asked];
  for (let at = 0; at < all.length; at += 1000) {
    const rows = await db
      .selectFrom('listed_names')
      .select('path')
      .where('list', '=', list)
      .where('path', 'in', all.slice(at, at + 1000).map(toBytes))
      .execute();
    for (const { path } of rows) found.add(fromBytes(path));
  }
  if (found.size === 0) return () => false;
  return (name) => isInOrBelow(found, name);
}
