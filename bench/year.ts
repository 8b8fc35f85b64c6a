// A year of nights in one catalog: `npm run bench -- year [--files N] [--nights N] [--dir FOLDER] [--url URL]`, in a
// SQLite file or in an empty database or schema of PostgreSQL, which is vacuumed after each night. Each night one of a
// hundred files of a real tree is changed, deleted or new; every 30th set is a full one, the others are incremental;
// sets are kept for 90 days, and what has expired is erased. Nothing is packed; the rest is done as in a backup. Says
// what the catalog has in use, and fails when it grows after the sets began to expire, or when the tree of a kept set
// is not exactly what was there in its night, with the SHA-256 of each file.
import { createHash } from 'node:crypto';
import { lstatSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import Database from 'better-sqlite3';
import { sql } from 'kysely';
import pg from 'pg';
import { isInPostgres } from '../catalog/dialect.js';
import { treeRows } from '../catalog/files/tree-rows.js';
import { openCatalog, type Catalog } from '../catalog/open-catalog.js';
import { SetRetention } from '../catalog/sets/set-retention.js';
import { beginErase, finishErase } from '../catalog/tapes/erase.js';
import { purgeErased } from '../catalog/tapes/purge-erased.js';
import { tapeRetention } from '../catalog/tapes/tape-retention.js';
import { listTapes } from '../catalog/tapes/tapes.js';
import { fromBytes } from '../entry/byte-string.js';
import { bytesUsed, makeUpSet } from './made-up-set.js';
import { randomFrom } from './scale-trees.js';

const perFolder = 100;
const day = 24 * 3600;
const retentions = { pools: {}, otherwise: 90 * day };
/** Nights from one full set to the next, and from one row of the table to the next. */
const month = 30;
/** Nights after which as much goes as comes: those that are kept, and the chain that the oldest of them builds on. */
const settled = 90 + 2 * month;

const { values: given } = parseArgs({
  options: {
    files: { type: 'string', default: '10000' },
    nights: { type: 'string', default: '366' },
    dir: { type: 'string', default: os.tmpdir() },
    url: { type: 'string' },
  },
});
const [count, nights] = [Number(given.files), Number(given.nights)];
const root = mkdtempSync(path.join(given.dir, 'tf-year-'));
const tree = path.join(root, 't');
const catalogUrl = given.url ?? path.join(root, 'catalog.db');
const random = randomFrom(3);
/** SHA-256 of each file that there is, by its path. */
const files = new Map<string, string>();
let made = 0;

function write(file: string): void {
  const content = `${(made += 1)} ${random()}\n`;
  writeFileSync(file, content);
  files.set(file, createHash('sha256').update(content).digest('hex'));
}

function newFile(): void {
  const folder = path.join(
    tree,
    `folder ${String(Math.floor(random() * (count / perFolder))).padStart(4, '0')}`,
  );
  mkdirSync(folder, { recursive: true });
  write(path.join(folder, `${made.toString(36)}.txt`));
}

/** Of what changes in a night, three fifths have other content, a fifth is renamed, a fifth gone for new files. */
function changeSome(): void {
  const names = [...files.keys()];
  for (let left = count / 100; left > 0; left -= 1) {
    const name = names[Math.floor(random() * names.length)] ?? '';
    const hash = files.get(name);
    const what = random() * 5;
    if (hash === undefined) continue;
    if (what >= 2) write(name);
    else {
      if (what < 1) {
        rmSync(name);
        newFile();
      } else renameSync(name, `${name} renamed`);
      files.delete(name);
      if (what >= 1) files.set(`${name} renamed`, hash);
    }
  }
}

/** One line for each file of a tree, in the order of their names, as a digest. */
function digestOf(lines: string[]): string {
  return createHash('sha256').update(lines.sort().join('\n')).digest('hex');
}

function digestOfTree(): string {
  return digestOf(
    [...files].map(([name, hash]) => {
      const { size, mtimeNs, ino } = lstatSync(name, { bigint: true });
      return `${name.slice(1)} ${size} ${mtimeNs} ${ino} ${hash}`;
    }),
  );
}

/** What is wrong with a set: undefined when it has exactly the files of its night, all of them in archives on tape. */
async function faultOf(catalog: Catalog, setId: string, expected: string): Promise<string | undefined> {
  const onTape = await catalog
    .selectFrom('copies')
    .select(['set_id', 'group_no'])
    .where('state', '=', 'committed')
    .execute();
  const known = new Set(onTape.map((copy) => `${copy.set_id} ${copy.group_no}`));
  const lines: string[] = [];
  for await (const page of treeRows(catalog, setId, {}))
    for (const row of page) {
      const holder = `${row.held_set ?? setId} ${row.held_group ?? row.group_no}`;
      if (!known.has(holder)) return `${fromBytes(row.path)} is in ${holder}, which is on no tape`;
      if (row.type !== 'file') continue;
      const mtime = BigInt(row.mtime_s) * 1_000_000_000n + BigInt(row.mtime_ns);
      lines.push(`${fromBytes(row.path)} ${row.size} ${mtime} ${row.ino} ${String(row.sha256)}`);
    }
  return digestOf(lines) === expected ? undefined : 'its files are not those of its night';
}

/** What the UUID of a tape ends in after it was erased. */
const erasedMark = ' erased';

/** Erases every tape on which nothing is needed any more. */
async function eraseExpired(catalog: Catalog): Promise<void> {
  const keeping = await SetRetention.of(catalog, retentions);
  const tapes = await listTapes(catalog);
  for (const tape of tapes.filter(({ uuid }) => !uuid.endsWith(erasedMark))) {
    const kept = await tapeRetention(catalog, tape, keeping, Date.now());
    if (!kept.isRecyclable) continue;
    const erased = `${tape.uuid}${erasedMark}`;
    const wish = { tape: tape.uuid, retentions, evenUnexpired: false };
    const erasing = await beginErase(catalog, wish, erased);
    await finishErase(catalog, erasing, { ...erasing, uuid: erased });
  }
  await purgeErased(catalog);
}

/** The tables that have something of each file. */
const fileTables = ['entries', 'names', 'chains', 'offsets'];

/** Bytes of the tables that have something of each file, of all else, and of both. */
interface Sizes {
  ofFiles: number;
  rest: number;
  bytes: number;
}

/** What is in use of a SQLite file. */
function sizesInFile(): Sizes {
  const database = new Database(catalogUrl, { readonly: true });
  const used = (where: string) =>
    Number(database.prepare(`select coalesce(sum(pgsize), 0) from dbstat where ${where}`).pluck().get());
  const tables = `('${fileTables.join("', '")}')`;
  const isOfFiles = `name in (select name from sqlite_master where tbl_name in ${tables})`;
  const [ofFiles, rest] = [used(isOfFiles), used(`not (${isOfFiles})`)];
  database.close();
  return { ofFiles, rest, bytes: bytesUsed(catalogUrl) };
}

/** On a connection of its own, since a catalog's wraps everything in transactions. */
async function vacuum(): Promise<void> {
  const client = new pg.Client({ connectionString: catalogUrl });
  await client.connect();
  await client.query('vacuum analyze').finally(() => client.end());
}

/** What the tables of a schema of PostgreSQL take, with their indexes and what they hold for reuse. */
async function sizesInPostgres(catalog: Catalog): Promise<Sizes> {
  const { rows } = await sql<{ name: string; bytes: number }>`
    select relname as name, pg_total_relation_size(oid)::float8 as bytes from pg_class
    where relkind = 'r' and relnamespace = current_schema()::regnamespace`.execute(catalog);
  const sum = (of: boolean) =>
    rows.reduce((all, { name, bytes }) => all + (fileTables.includes(name) === of ? bytes : 0), 0);
  return { ofFiles: sum(true), rest: sum(false), bytes: sum(true) + sum(false) };
}

try {
  for (let no = 0; no < count; no += 1) newFile();
  const catalog = await openCatalog(catalogUrl);
  const kept = new Map<string, string>();
  const rows: { night: number; 'sets kept': number; [name: string]: number }[] = [];
  for (let night = 0; night < nights; night += 1) {
    if (night > 0) changeSome();
    // A day has gone by.
    await catalog
      .updateTable('sets')
      .set({ finished_at: sql<number>`finished_at - ${day * 1000}` })
      .execute();
    const mode = night % month === 0 ? 'full' : 'incremental';
    const hashOf = (row: { path: Uint8Array }) => files.get(`/${fromBytes(row.path)}`) ?? '';
    const setId = await makeUpSet(catalog, { tree, mode, tape: `T${night}`, hashOf });
    kept.set(setId, digestOfTree());
    await eraseExpired(catalog);
    // As the server does by itself within minutes.
    if (isInPostgres(catalog)) await vacuum();
    const expired = await catalog.selectFrom('sets').select('id').where('state', '=', 'expired').execute();
    for (const { id } of expired) kept.delete(id);
    if (night % month !== month - 1 && night !== nights - 1) continue;
    for (const [id, expected] of kept) {
      const fault = await faultOf(catalog, id, expected);
      if (fault !== undefined) throw new Error(`night ${night}: ${id}: ${fault}`);
    }
    const sizes = isInPostgres(catalog) ? await sizesInPostgres(catalog) : sizesInFile();
    rows.push({ night: night + 1, files: files.size, 'sets kept': kept.size, ...sizes });
    console.table(rows.slice(-1));
  }
  await catalog.destroy();
  console.table(rows);
  console.log('At each time, the trees of all sets that were kept were exactly those of their nights.');
  // Between two full sets there is less or more, as in each month.
  const after = rows.flatMap(({ night = 0, ofFiles = 0 }) =>
    night >= settled && night % month === 0 ? [ofFiles] : [],
  );
  const [first = 0, most] = [after[0], Math.max(0, ...after)];
  if (most > 1.1 * first) throw new Error(`what files cost has grown from ${first} to ${most} bytes`);
  if (after.length > 1) console.log(`After night ${settled} the size stayed.`);
} finally {
  rmSync(root, { recursive: true, force: true });
}
