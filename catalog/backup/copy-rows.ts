import { createHash, type Hash } from 'node:crypto';
import { type Kysely, sql } from 'kysely';
import { english } from '../../messages/sentence.js';
import { executeMany } from '../execute-many.js';
import { isInPostgres } from '../dialect.js';
import { emptyCatalog, type Catalog } from '../open-catalog.js';
import { isNumber, type TableInfo, tablesOf } from '../postgres/tables.js';
import { TapeflowFailure } from '../../config/failures.js';

/** Rows in memory at once. */
const rowsAtOnce = 2000;

/** What was copied of a table: the number of its rows, and the SHA-256 of all of them in the order of its key. */
export interface CopiedTable {
  rows: number;
  sha256: string;
}

type Value = string | Uint8Array | null;
type Row = Record<string, Value>;

/**
 * Copies every row of a catalog into an empty one, of SQLite or PostgreSQL, in the callers' transactions, and reads
 * them there again: count and hash of each table must be the same. Throws `CatalogsDiffer` if they are not.
 */
export async function copyRows(from: Catalog, to: Catalog): Promise<Record<string, CopiedTable>> {
  const copied: Record<string, CopiedTable> = {};
  for (const table of await tables()) {
    const read = digest(table);
    for await (const rows of pagesOf(from, table)) {
      const values = rows.map(read.add);
      await executeMany(to, insertInto(to, table), values);
    }
    copied[table.name] = read.end();
    const there = digest(table);
    for await (const rows of pagesOf(to, table)) rows.forEach(there.add);
    requireSame(table.name, copied[table.name], there.end());
    if (isInPostgres(to)) await countOn(to, table);
  }
  return copied;
}

/** True when no table of a catalog has a row. */
export async function isEmpty(catalog: Catalog): Promise<boolean> {
  for (const table of await tables())
    for await (const rows of pagesOf(catalog, table)) return rows.length === 0;
  return true;
}

async function tables(): Promise<TableInfo[]> {
  const model = await emptyCatalog();
  try {
    return await tablesOf(model);
  } finally {
    await model.destroy();
  }
}

/**
 * All rows of a table, in the order of its key and in pages. Numbers are read as texts, since some have 64 bits, and
 * both databases make numbers of them again.
 */
async function* pagesOf(catalog: Catalog, { name, columns, key }: TableInfo): AsyncGenerator<Row[]> {
  const column = (of: string) => sql.ref(`${name}.${of}`);
  const wanted = columns.map((of) =>
    isNumber(of) ? sql`cast(${column(of.name)} as text) as ${sql.ref(of.name)}` : column(of.name),
  );
  const keys = sql.join(key.map(column));
  let last: Row | undefined;
  for (;;) {
    const at = last;
    const values = key.map((of) => sql`${at?.[of]}`);
    const after = at === undefined ? sql`` : sql`where (${keys}) > (${sql.join(values)})`;
    const { rows } = await sql<Row>`select ${sql.join(wanted)} from ${sql.table(name)} ${after}
      order by ${keys} limit ${sql.lit(rowsAtOnce)}`.execute(catalog);
    if (rows.length > 0) yield rows;
    if (rows.length < rowsAtOnce) return;
    last = rows.at(-1);
  }
}

function insertInto(catalog: Catalog, { name, columns }: TableInfo) {
  const row = Object.fromEntries(columns.map((column) => [column.name, null]));
  return (catalog as unknown as Kysely<Record<string, Row>>).insertInto(name).values(row).compile();
}

/** Counts and hashes rows. `add` returns the values of a row, in the order of the columns. */
function digest({ columns }: TableInfo): { add(row: Row): Value[]; end(): CopiedTable } {
  const hash = createHash('sha256');
  let rows = 0;
  return {
    add: (row) => {
      rows += 1;
      const values = columns.map((column) => plain(row[column.name] ?? null, isNumber(column)));
      for (const value of values) addTo(hash, value);
      return values;
    },
    end: () => ({ rows, sha256: hash.digest('hex') }),
  };
}

/** A value as both can hold it: SQLite keeps fractions where whole numbers belong, and NUL in texts. */
function plain(value: Value, isNumber: boolean): Value {
  if (typeof value !== 'string') return value;
  if (isNumber) return /^-?\d+$/.test(value) ? value : String(Math.round(Number(value)));
  return value.includes('\0') ? value.replaceAll('\0', '\uFFFD') : value;
}

/** Each value with its kind and length, so that different rows cannot look alike. */
function addTo(hash: Hash, value: Value): void {
  if (value === null) hash.update('n;');
  else {
    const bytes = typeof value === 'string' ? Buffer.from(value, 'utf8') : value;
    hash.update(`${typeof value === 'string' ? 't' : 'b'}${bytes.length};`).update(bytes);
  }
}

function requireSame(table: string, one: CopiedTable | undefined, other: CopiedTable): void {
  if (one?.rows === other.rows && one.sha256 === other.sha256) return;
  throw new TapeflowFailure(
    'CatalogsDiffer',
    english`The table ${table} is not the same in the copy: ${one?.rows ?? 0} rows became ${other.rows}, or
      their content differs.`,
    { advice: english`Nothing was copied.` },
  );
}

/** Lets PostgreSQL count on from the highest number that was copied; SQLite does so by itself. */
async function countOn(to: Catalog, { name, counted }: TableInfo): Promise<void> {
  if (counted === undefined) return;
  const next = sql`(select coalesce(max(${sql.ref(counted)}), 0) + 1 from ${sql.table(name)})`;
  await sql`select setval(pg_get_serial_sequence(${name}, ${counted}), ${next}, false)`.execute(to);
}
