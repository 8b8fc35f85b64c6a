import type { EntryStats } from '../../entry/entry-stats.js';
import { entryTypes, fileStates } from '../schema/entry-codes.js';
import type { EntryType, StoredState } from '../schema/file-tables.js';
import type { NewFile } from './entry-rows.js';

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

/**
 * Numbers per row, in this order: the columns of `entries` from `group_no` to `nlink`, then device, inode, and the end
 * of the name.
 */
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

export function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A type and a state as one number of `ScanRows.kinds`. */
export function kindOf(type: EntryType, state: StoredState): number {
  return entryTypes.indexOf(type) * 8 + fileStates.indexOf(state);
}
