import type { EntryStats } from '../../entry/entry-stats.js';
import type { CompiledQuery, Insertable } from 'kysely';
import { executeMany } from '../execute-many.js';
import { entryColumns, hashBytes, layerFor, layerOf, storedNumber, type NewFile } from './entry-rows.js';
import { nameChunks, type NamedEntry } from './file-names.js';
import { ownLayer } from './layers.js';
import { addNames } from './names.js';
import { entryTypes, fileStates } from '../schema/entry-codes.js';
import type { Catalog } from '../open-catalog.js';
import type { EntriesTable, EntryType, StoredState } from '../schema/file-tables.js';

/** Columns that are empty in most rows. */
export type RareColumns = Partial<
  Pick<
    NewFile,
    | 'held_set'
    | 'held_group'
    | 'link_target'
    | 'hard_link_of'
    | 'reason'
    | 'sha256'
    | 'tar_offset'
    | 'stored_size'
    | 'attributes'
  >
>;

export interface ScannedFile {
  /** Member name, a byte string. */
  name: string;
  type: EntryType;
  state: StoredState;
  group: number;
  size: number;
  stats: EntryStats | undefined;
  rare: RareColumns | undefined;
}

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

/** Numbers per row, in this order: `commonColumns` from `group_no` on, then device, inode, and the end of the name. */
export const numbersPerRow = 13;

/** Rows of the scan as plain data, which can be transferred to another thread without copying. */
export interface ScanRows {
  rows: number;
  /** `numbersPerRow` for each row. */
  numbers: Float64Array;
  /** For each row: its type and its state (`kindOf`). */
  kinds: Uint8Array;
  /** Member names, one after the other. */
  names: Uint8Array;
  /** By row. */
  rare: Map<number, RareColumns & { dev?: string; ino?: string }>;
}

function emptyBatch(capacity: number): ScanRows {
  return {
    rows: 0,
    numbers: new Float64Array(capacity * numbersPerRow),
    kinds: new Uint8Array(capacity),
    names: new Uint8Array(capacity * nameBytes),
    rare: new Map(),
  };
}

/** Average bytes of a name that a batch initially reserves. */
const nameBytes = 128;

/** Collects rows of the scan in a few arrays, since a million small objects would cost more than the walk. */
export class FileBatch {
  private packed: ScanRows;
  private names: Buffer;
  private named = 0;
  private readonly spare: ScanRows[] = [];

  constructor(private readonly capacity: number) {
    this.packed = emptyBatch(capacity);
    this.names = bufferOf(this.packed.names);
  }

  get rows(): number {
    return this.packed.rows;
  }

  get isFull(): boolean {
    return this.packed.rows >= this.capacity;
  }

  /** Adds a row; there must be room. */
  add({ name, type, state, group, size, stats, rare }: ScannedFile): void {
    const { packed } = this;
    const row = packed.rows;
    packed.rows += 1;
    packed.kinds[row] = kindOf(type, state);
    if (rare !== undefined) packed.rare.set(row, rare);
    const { numbers } = packed;
    const at = row * numbersPerRow;
    numbers[at] = group;
    numbers[at + 1] = size;
    if (stats === undefined) {
      numbers.fill(0, at + 2, at + 12);
      numbers[at + 9] = 1;
    }
    numbers[at + 12] = this.addName(name);
    if (stats === undefined) return;
    numbers[at + 2] = stats.mtimeS;
    numbers[at + 3] = stats.mtimeNs;
    numbers[at + 4] = stats.ctimeS;
    numbers[at + 5] = stats.ctimeNs;
    numbers[at + 6] = stats.mode & 0o7777;
    numbers[at + 7] = stats.uid;
    numbers[at + 8] = stats.gid;
    numbers[at + 9] = type === 'file' ? stats.nlink : 1;
    numbers[at + 10] = Number(stats.dev);
    numbers[at + 11] = Number(stats.ino);
    if (typeof stats.ino === 'bigint' || typeof stats.dev === 'bigint')
      this.addInode(row, String(stats.dev), String(stats.ino));
  }

  /** Numbers too large for a double go to the rare columns. */
  private addInode(row: number, dev: string, ino: string): void {
    const { numbers, rare } = this.packed;
    const at = row * numbersPerRow + 10;
    if (String(numbers[at]) === dev && String(numbers[at + 1]) === ino) return;
    rare.set(row, { ...rare.get(row), dev, ino });
  }

  /** @returns the end of the name. */
  private addName(name: string): number {
    if (this.named + name.length > this.names.length) {
      const larger = new Uint8Array(2 * (this.named + name.length));
      larger.set(this.names.subarray(0, this.named));
      this.packed.names = larger;
      this.names = bufferOf(larger);
    }
    this.named += this.names.write(name, this.named, 'latin1');
    return this.named;
  }

  /** Returns the rows added since the last call. */
  take(): ScanRows {
    const taken = this.packed;
    this.packed = this.spare.pop() ?? emptyBatch(this.capacity);
    this.names = bufferOf(this.packed.names);
    this.named = 0;
    return taken;
  }

  /** Returns a finished batch, so that its memory is reused. */
  giveBack(packed: ScanRows): void {
    this.spare.push({ ...packed, rows: 0, rare: new Map() });
  }
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
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

/** A type and a state as one number of `ScanRows.kinds`. */
export function kindOf(type: EntryType, state: StoredState): number {
  return entryTypes.indexOf(type) * 8 + fileStates.indexOf(state);
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
