import { type Kysely, sql } from 'kysely';
import { migrations } from '../migrations/migrations.js';
import { requireKnown } from '../migrations/applied.js';
import type { Tables } from '../schema/tables.js';
import { makeTables } from './tables.js';

type Catalog = Kysely<Tables>;

/** True when every migration was applied; throws `CatalogNewer`. Undefined: there is no catalog yet. */
export async function isUpToDate(catalog: Catalog): Promise<boolean | undefined> {
  const { rows } = await sql<{ there: boolean }>`
    select to_regclass('kysely_migration') is not null as there`.execute(catalog);
  if (rows[0]?.there !== true) return undefined;
  return (await missingIn(catalog)).length === 0;
}

/**
 * Makes a catalog, or brings its schema up to date, in one transaction: a crash leaves it as it was, and a second
 * process waits. A new one gets the tables that SQLite's has after all migrations, which then count as applied.
 *
 * @param empty gives an empty catalog in SQLite.
 */
export async function migrate(catalog: Catalog, empty: () => Promise<Catalog>): Promise<void> {
  if ((await isUpToDate(catalog)) === true) return;
  await catalog.transaction().execute(async (tx) => {
    const state = await isUpToDate(tx);
    if (state === true) return;
    if (state === undefined) {
      await sql`create table kysely_migration (name varchar(255) primary key, timestamp varchar(255) not null)`.execute(
        tx,
      );
      const model = await empty();
      try {
        await makeTables(tx as unknown as Kysely<unknown>, model);
      } finally {
        await model.destroy();
      }
    }
    for (const name of await missingIn(tx)) {
      if (state !== undefined) await migrations[name]?.up(tx);
      await sql`insert into kysely_migration values (${name}, ${new Date().toISOString()})`.execute(tx);
    }
  });
}

async function missingIn(db: Catalog): Promise<string[]> {
  const { rows } = await sql<{ name: string }>`select name from kysely_migration`.execute(db);
  return requireKnown(rows.map(({ name }) => name));
}
