import { type Expression, type Kysely, PostgresAdapter, type RawBuilder, sql } from 'kysely';
import type { Tables } from './schema/tables.js';

type Catalog = Kysely<Tables>;

// The few things of which SQLite and PostgreSQL have no common form.

/** True for a catalog in PostgreSQL. */
export function isInPostgres(db: Catalog): boolean {
  return db.getExecutor().adapter instanceof PostgresAdapter;
}

/** True where a text, or bytes, contain another text or other bytes. */
export function contains(
  db: Catalog,
  whole: Expression<unknown>,
  part: Expression<unknown> | Uint8Array,
): RawBuilder<boolean> {
  return isInPostgres(db)
    ? sql<boolean>`position(${part} in ${whole}) > 0`
    : sql<boolean>`instr(${whole}, ${part}) > 0`;
}

/** The time of the catalog's clock in milliseconds since 1970: PostgreSQL's, or else this machine's. */
export function catalogNow(db: Catalog): RawBuilder<number> {
  return isInPostgres(db)
    ? sql<number>`cast(extract(epoch from clock_timestamp()) * 1000 as bigint)`
    : sql<number>`${Date.now()}`;
}
