import { type Kysely, sql } from 'kysely';
import type { Tables } from '../schema/tables.js';
import { catalogKey, useClass } from './pool.js';

type Catalog = Kysely<Tables>;

/**
 * True when no other process is connected to a catalog in PostgreSQL: each connection holds one lock for as long as it
 * lives (`pool.ts`), and this process has but one here.
 */
export async function isOnlyUser(catalog: Catalog): Promise<boolean> {
  const { rows } = await sql<{ users: number }>`
    select count(distinct pid) as users from pg_locks
    where locktype = 'advisory' and classid = ${sql.lit(useClass)}
      and objid = ((${sql.raw(catalogKey)})::bigint & 4294967295)::oid
      and database = (select oid from pg_database where datname = current_database())`.execute(catalog);
  return rows[0]?.users === 1;
}
