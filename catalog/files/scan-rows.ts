import type { CompiledQuery, Insertable } from 'kysely';
import { executeMany } from '../execute-many.js';
import type { Catalog } from '../open-catalog.js';
import type { EntriesTable } from '../schema/file-tables.js';
import { entryColumns, hashBytes, layerFor, layerOf, storedNumber } from './entry-rows.js';
import { bufferOf, kindOf, numbersPerRow, type RareColumns, type ScanRows } from './file-batch.js';
import { nameChunks, type NamedEntry } from './file-names.js';
import { ownLayer } from './layers.js';
import { addNames } from './names.js';

/** Columns of every row; the others are empty in most. */
const commonColumns = entryColumns.slice(0, 16);

function insertOf(tx: Catalog, columns: readonly (typeof entryColumns)[number][]): CompiledQuery {
  const row = Object.fromEntries(columns.map((column) => [column, null]));
  return tx
    .insertInto('entries')
    .values(row as unknown as Insertable<EntriesTable>)
    .onConflict((conflict) => conflict.doNothing())
    .compile();
}

/** Adds rows of the scan and their names, in the caller's transaction; existing rows stay as they are. */
export async function insertScanRows(tx: Catalog, setId: string, packed: ScanRows): Promise<void> {
  if (packed.rows === 0) return;
  const layer = await ownLayer(tx, setId);
  const holders = new Map<string, number>();
  for (const { held_set: id } of packed.rare.values())
    if (typeof id === 'string' && !holders.has(id)) holders.set(id, await layerFor(tx, id));
  // In table order, which is cheapest: runs of rows that use the same statement.
  for (let from = 0; from < packed.rows;) {
    const isRare = packed.rare.has(from);
    let to = from + 1;
    while (to < packed.rows && packed.rare.has(to) === isRare) to += 1;
    const rows = parametersOf({ layer, holders }, packed, from, to);
    await executeMany(tx, insertOf(tx, isRare ? entryColumns : commonColumns), rows);
    from = to;
  }
  await addNames(tx, layer, nameChunks(namedEntries(packed)));
}

/** What is no longer there is not found by its name. */
const goneKind = kindOf('other', 'gone');

function namedEntries({ rows, numbers, kinds, names }: ScanRows): NamedEntry[] {
  const bytes = bufferOf(names);
  const entries: NamedEntry[] = [];
  for (let row = 0, start = 0; row < rows; row += 1) {
    const at = row * numbersPerRow;
    const end = numbers[at + 12] ?? 0;
    if (kinds[row] !== goneKind) entries.push({ group: numbers[at] ?? 0, path: bytes.subarray(start, end) });
    start = end;
  }
  return entries;
}

/** The parameters of each row, in one list that is reused. */
function* parametersOf(
  { layer, holders }: { layer: number; holders: ReadonlyMap<string, number> },
  packed: ScanRows,
  from: number,
  to: number,
): Generator<unknown[]> {
  const { numbers, kinds, rare } = packed;
  const names = bufferOf(packed.names);
  const parameters: unknown[] = [layer];
  let start = from === 0 ? 0 : (numbers[from * numbersPerRow - 1] ?? 0);
  for (let row = from; row < to; row += 1) {
    const first = row * numbersPerRow;
    const end = numbers[first + 12] ?? 0;
    const kind = kinds[row] ?? 0;
    parameters[1] = names.subarray(start, end);
    parameters[2] = kind >> 3;
    parameters[3] = kind & 7;
    parameters[4] = numbers[first + 10];
    parameters[5] = numbers[first + 11];
    for (let i = 0; i < 10; i += 1) parameters[6 + i] = numbers[first + i];
    // One that is the same as the mtime is not written out.
    const isSameTime = parameters[8] === parameters[10] && parameters[9] === parameters[11];
    if (isSameTime) parameters[10] = parameters[11] = null;
    const more = rare.get(row);
    if (more !== undefined) {
      if (more.dev !== undefined) parameters[4] = storedNumber(more.dev);
      if (more.ino !== undefined) parameters[5] = storedNumber(more.ino);
      addRare(parameters, more, holders);
    }
    yield parameters;
    start = end;
  }
}

/** In the order of `entryColumns`, after the common ones. */
function addRare(parameters: unknown[], more: RareColumns, holders: ReadonlyMap<string, number>): void {
  parameters.length = commonColumns.length;
  parameters.push(
    ...[typeof more.held_set === 'string' ? holders.get(more.held_set) : null, more.held_group ?? null],
    ...[more.link_target ?? null, more.hard_link_of ?? null, more.reason ?? null],
    ...[hashBytes(more.sha256 ?? null), more.tar_offset ?? null, more.stored_size ?? null],
    more.attributes ?? null,
  );
}

/**
 * Forgets rows behind the last entry of a set's groups, before its scan goes on there: such as of what was gone when an
 * earlier scan of it was killed.
 */
export async function forgetBehind(db: Catalog, setId: string, last: Uint8Array | undefined): Promise<void> {
  await db
    .deleteFrom('entries')
    .where('layer', '=', layerOf(setId))
    .$if(last !== undefined, (rows) => rows.where('path', '>', last ?? new Uint8Array()))
    .execute();
}
