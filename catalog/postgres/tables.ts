import { type Kysely, sql } from 'kysely';
import type { Tables } from '../schema/tables.js';

type Catalog = Kysely<Tables>;

interface ColumnInfo {
  name: string;
  type: string;
  notnull: number;
  dflt_value: string | null;
  /** Position in the primary key, from 1; 0: not in it. */
  pk: number;
}

interface ForeignKey {
  id: number;
  seq: number;
  table: string;
  from: string;
  to: string;
}

/** A table of the catalog. */
export interface TableInfo {
  name: string;
  columns: ColumnInfo[];
  /** Names of the columns of its primary key, in order. */
  key: string[];
  /** The column that is counted up by itself, if any. */
  counted: string | undefined;
  /** The tables that its foreign keys refer to. */
  refersTo: string[];
}

type AnyDatabase = Kysely<unknown>;

/** The tables of a catalog in SQLite, each after those that it refers to; Kysely's own are not among them. */
export async function tablesOf(sqlite: Catalog): Promise<TableInfo[]> {
  const left = await tablesByName(sqlite);
  const ordered: TableInfo[] = [];
  while (left.length > 0) {
    const known = (name: string) => ordered.some((table) => table.name === name);
    const next = left.findIndex(({ refersTo }) => refersTo.every(known));
    if (next === -1) throw new Error('the tables refer to each other in a circle');
    ordered.push(...left.splice(next, 1));
  }
  return ordered;
}

async function tablesByName(sqlite: Catalog): Promise<TableInfo[]> {
  const { rows } = await sql<{ name: string }>`select name from sqlite_master where type = 'table'
    and name not like 'sqlite%' and name not like 'kysely%' order by name`.execute(sqlite);
  return Promise.all(
    rows.map(async ({ name }) => {
      const columns = await pragma<ColumnInfo>(sqlite, `table_info(${name})`);
      const inKey = columns.filter(({ pk }) => pk > 0).sort((a, b) => a.pk - b.pk);
      const key = inKey.map((column) => column.name);
      const [first] = inKey;
      // SQLite's rule: a single column of just this type.
      const counted = key.length === 1 && first?.type.toLowerCase() === 'integer' ? first.name : undefined;
      const refersTo = (await pragma<ForeignKey>(sqlite, `foreign_key_list(${name})`)).map((to) => to.table);
      return { name, columns, key, counted, refersTo };
    }),
  );
}

/**
 * Makes the tables and indexes of an empty catalog in SQLite in PostgreSQL, so that both are the same, whatever the
 * migrations did. Only types differ: see `columnOf`.
 */
export async function makeTables(to: AnyDatabase, sqlite: Catalog): Promise<void> {
  const run = (statement: string) => sql.raw(statement).execute(to);
  const tables = await tablesOf(sqlite);
  for (const table of tables) await run(await tableOf(table, sqlite));
  for (const { name } of tables) {
    const keys = await pragma<ForeignKey>(sqlite, `foreign_key_list(${name})`);
    for (const id of new Set(keys.map((key) => key.id))) {
      const parts = keys.filter((key) => key.id === id).sort((a, b) => a.seq - b.seq);
      await run(
        `alter table ${quoted(name)} add foreign key (${parts.map(({ from }) => quoted(from)).join(', ')}) ` +
          `references ${quoted(parts[0]?.table ?? '')} (${parts.map((part) => quoted(part.to)).join(', ')})`,
      );
    }
  }
  const indexes = await sql<{ sql: string }>`select sql from sqlite_master
    where type = 'index' and sql is not null order by name`.execute(sqlite);
  for (const index of indexes.rows) await run(index.sql);
  await makeViews(to, sqlite);
}

/**
 * SQLite's functions in its views, as PostgreSQL has them. A negative number of 64 bits stands for an unsigned one.
 */
const otherForms: [RegExp, string][] = [
  [/printf\('%u', (\w+)\)/g, '(cast($1 as numeric) + 18446744073709551616)::text'],
  [/lower\(hex\((\w+)\)\)/g, "encode($1, 'hex')"],
];

async function makeViews(to: AnyDatabase, sqlite: Catalog): Promise<void> {
  const views = await sql<{ sql: string }>`select sql from sqlite_master where type = 'view'`.execute(sqlite);
  for (const view of views.rows) {
    const text = otherForms.reduce((made, [form, other]) => made.replace(form, other), view.sql);
    await sql.raw(text).execute(to);
  }
}

async function tableOf({ name, columns, key, counted }: TableInfo, sqlite: Catalog): Promise<string> {
  const parts = columns.map((column) => columnOf(column, counted));
  if (key.length > 0) parts.push(`primary key (${key.map(quoted).join(', ')})`);
  for (const index of await pragma<{ name: string; origin: string }>(sqlite, `index_list(${name})`)) {
    if (index.origin !== 'u') continue;
    const unique = await pragma<{ name: string }>(sqlite, `index_info(${index.name})`);
    parts.push(`unique (${unique.map((column) => quoted(column.name)).join(', ')})`);
  }
  return `create table ${quoted(name)} (${parts.join(', ')})`;
}

/**
 * Bytes are ordered as bytes in both. Texts are too, by the collation "C", whatever the database's is; numbers have 64
 * bits.
 */
function columnOf({ name, type, notnull, dflt_value }: ColumnInfo, counted: string | undefined): string {
  const kind = /blob/i.test(type) ? 'bytea' : isNumber({ type }) ? 'bigint' : 'text collate "C"';
  return (
    `${quoted(name)} ${kind}` +
    (counted === name ? ' generated by default as identity' : '') +
    (notnull === 1 ? ' not null' : '') +
    (dflt_value === null ? '' : ` default ${dflt_value}`)
  );
}

/** True for a column of whole numbers. */
export function isNumber({ type }: Pick<ColumnInfo, 'type'>): boolean {
  return /int/i.test(type);
}

async function pragma<Row>(sqlite: Catalog, what: string): Promise<Row[]> {
  return (await sql.raw<Row>(`pragma ${what}`).execute(sqlite)).rows;
}

function quoted(name: string): string {
  return `"${name}"`;
}
