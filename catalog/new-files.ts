import { CompiledQuery } from 'kysely';
import { executeMany } from './connection.js';
import type { NewFile } from './files.js';
import type { Catalog } from './open-catalog.js';
import type { EntryType, FileState } from './schema.js';

/** What the scan has seen of an entry. Times as in `splitTime`; device and inode are a `bigint` where a number is not exact. */
export interface EntryStats {
  size: number;
  mtimeS: number;
  mtimeNs: number;
  ctimeS: number;
  ctimeNs: number;
  mode: number;
  uid: number;
  gid: number;
  nlink: number;
  dev: number | bigint;
  ino: number | bigint;
}

/** What most rows have no value in. */
export type RareColumns = Partial<
  Pick<NewFile, 'held_set' | 'held_group' | 'link_target' | 'hard_link_of' | 'reason' | 'sha256' | 'tar_offset'>
>;

export interface ScannedFile {
  /** Member name, a byte string. */
  name: string;
  type: EntryType;
  state: FileState;
  group: number;
  size: number;
  stats: EntryStats | undefined;
  rare: RareColumns | undefined;
}

const commonColumns = [
  ...(['set_id', 'path', 'type', 'state', 'dev', 'ino', 'group_no', 'size'] as const),
  ...(['mtime_s', 'mtime_ns', 'ctime_s', 'ctime_ns', 'mode', 'uid', 'gid', 'nlink', 'name_at'] as const),
] as const;
const rareColumns = [
  ...(['held_set', 'held_group', 'link_target', 'hard_link_of', 'reason', 'sha256', 'tar_offset'] as const),
] as const;

function insertOf(columns: readonly string[]): CompiledQuery {
  const marks = columns.map(() => '?').join(', ');
  return CompiledQuery.raw(`insert into files (${columns.join(', ')}) values (${marks}) on conflict do nothing`);
}

const insertCommon = insertOf(commonColumns);
const insertRare = insertOf([...commonColumns, ...rareColumns]);

/** Of a row, in this order: as `commonColumns` from `group_no` on, then device, inode, and the end of its name. */
const numbersPerRow = 14;
const types: readonly EntryType[] = ['file', 'directory', 'symlink', 'other'];
const states: readonly FileState[] = ['planned', 'packed', 'skipped', 'unchanged'];

/** Rows of the scan as plain data, which a thread can hand to another without a copy. */
export interface PackedFiles {
  rows: number;
  /** `numbersPerRow` for each row. */
  numbers: Float64Array;
  /** For each row: index of its type, times four, and index of its state. */
  kinds: Uint8Array;
  /** Member names, one after the other. */
  names: Uint8Array;
  /** By row. */
  rare: Map<number, RareColumns & { dev?: string; ino?: string }>;
}

/** Gathers rows of the scan: few arrays, since a million small objects would cost more than the walk. */
export class FileBatch {
  private packed: PackedFiles;
  private names: Buffer;
  private named = 0;

  constructor(private readonly capacity: number) {
    this.names = Buffer.allocUnsafeSlow(capacity * 128);
    this.packed = this.emptyBatch();
  }

  private emptyBatch(): PackedFiles {
    return {
      rows: 0,
      numbers: new Float64Array(this.capacity * numbersPerRow),
      kinds: new Uint8Array(this.capacity),
      names: this.names,
      rare: new Map(),
    };
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
    const end = this.addName(name);
    packed.kinds[row] = types.indexOf(type) * 4 + states.indexOf(state);
    if (rare !== undefined) packed.rare.set(row, rare);
    const { numbers } = packed;
    let at = row * numbersPerRow;
    numbers[at++] = group;
    numbers[at++] = size;
    numbers[at++] = stats?.mtimeS ?? 0;
    numbers[at++] = stats?.mtimeNs ?? 0;
    numbers[at++] = stats?.ctimeS ?? 0;
    numbers[at++] = stats?.ctimeNs ?? 0;
    numbers[at++] = (stats?.mode ?? 0) & 0o7777;
    numbers[at++] = stats?.uid ?? 0;
    numbers[at++] = stats?.gid ?? 0;
    numbers[at++] = type === 'file' ? (stats?.nlink ?? 1) : 1;
    numbers[at++] = name.lastIndexOf('/', name.length - 2) + 2;
    numbers[at++] = Number(stats?.dev ?? 0);
    numbers[at++] = Number(stats?.ino ?? 0);
    numbers[at++] = end;
    if (typeof stats?.dev === 'bigint' || typeof stats?.ino === 'bigint')
      packed.rare.set(row, { ...rare, dev: String(stats.dev), ino: String(stats.ino) });
  }

  private addName(name: string): number {
    if (this.named + name.length > this.names.length) {
      const larger = Buffer.allocUnsafeSlow(2 * (this.named + name.length));
      this.names.copy(larger, 0, 0, this.named);
      this.names = larger;
    }
    this.named += this.names.write(name, this.named, 'latin1');
    return this.named;
  }

  /** What was added since the last call. */
  take(): PackedFiles {
    const taken = { ...this.packed, names: this.names };
    this.names = Buffer.allocUnsafeSlow(this.capacity * 128);
    this.named = 0;
    this.packed = this.emptyBatch();
    return taken;
  }
}

/** Adds rows of the scan in the caller's transaction; a row that is there already stays as it is. */
export async function insertPacked(tx: Catalog, setId: string, packed: PackedFiles): Promise<void> {
  // In the order of the table, since that costs the least: runs of rows that take the same statement.
  for (let from = 0; from < packed.rows; ) {
    const isRare = packed.rare.has(from);
    let to = from + 1;
    while (to < packed.rows && packed.rare.has(to) === isRare) to += 1;
    await executeMany(tx, isRare ? insertRare : insertCommon, parametersOf(setId, packed, from, to));
    from = to;
  }
}

/** The parameters of each row, in one list that is used again for the next. */
function* parametersOf(setId: string, packed: PackedFiles, from: number, to: number): Generator<unknown[]> {
  const { numbers, kinds, rare } = packed;
  const names = Buffer.from(packed.names.buffer, packed.names.byteOffset, packed.names.byteLength);
  const parameters: unknown[] = [setId];
  let dev = NaN;
  let start = from === 0 ? 0 : (numbers[from * numbersPerRow - 1] ?? 0);
  for (let row = from; row < to; row += 1) {
    const first = row * numbersPerRow;
    const end = numbers[first + 13] ?? 0;
    const kind = kinds[row] ?? 0;
    parameters[1] = names.subarray(start, end);
    parameters[2] = types[kind >> 2];
    parameters[3] = states[kind & 3];
    if (numbers[first + 11] !== dev) {
      dev = numbers[first + 11] ?? 0;
      parameters[4] = String(dev);
    }
    parameters[5] = String(numbers[first + 12]);
    for (let i = 0; i < 11; i += 1) parameters[6 + i] = numbers[first + i];
    const more = rare.get(row);
    if (more !== undefined) {
      if (more.dev !== undefined) [parameters[4], dev] = [more.dev, NaN];
      if (more.ino !== undefined) parameters[5] = more.ino;
      for (const [i, column] of rareColumns.entries())
        parameters[commonColumns.length + i] = more[column] ?? null;
    }
    yield parameters;
    start = end;
  }
}
