import { toBytes } from './byte-string.js';
import type { KeptMember, MemberFlag, PlannedMember } from './member.js';
import { loadAddon } from './native-addon.js';
import type { FileFacts } from './source-file.js';

/** Largest file that is read ahead: of larger ones the calls for each file cost little beside the rest. */
const mostFileBytes = 128 * 1024;
/** Content and files of one batch. */
const batchBytes = 1024 * 1024;
const batchFiles = 256;

/** The order of `enum field` in native/read-files.c, and its `enum state`. */
const field = { state: 0, size: 1, seconds: 2, nanoseconds: 3, mode: 4, uid: 5, gid: 6, dev: 7, ino: 8, at: 9 };
const fieldsOfFile = 10;
const bytesOfFields = fieldsOfFile * Float64Array.BYTES_PER_ELEMENT;
const flagsOfState: readonly (readonly MemberFlag[] | undefined)[] = [undefined, [], ['grew'], ['changed']];

/** See native/read-files.c. */
type ReadFiles = (paths: Uint8Array, count: number, output: Uint8Array) => Promise<void>;

/** A file as it was read, whole. */
export interface SmallFile {
  facts: FileFacts;
  flags: readonly MemberFlag[];
  /** Good until the next entry is asked for. */
  content: Buffer;
}

interface Batch {
  entries: PlannedMember[];
  /** Index of the entry that is asked for next. */
  next: number;
  output: Buffer;
  fields: Float64Array;
  isRead: boolean;
  reading: Promise<void>;
}

/**
 * Reads small files on libuv's pool before they are packed, many in one job, through the native addon. It gives out only
 * what is plain in every way, read whole and through no symbolic link: any other file is read by itself, as all are where
 * the addon is not, and that way finds out what is the matter with it.
 */
export class SmallFiles {
  /** Entries whose reading has not begun, in order. */
  private waiting: PlannedMember[] = [];
  private readonly batches: Batch[] = [];
  private readonly spare: ArrayBuffer[] = [];

  private constructor(
    private readonly readFiles: ReadFiles,
    private readonly mostBatches: number,
  ) {}

  /** Undefined where the addon, or this system, cannot. `mostBatches`: MiB that are read ahead. */
  static open(mostBatches: number): SmallFiles | undefined {
    const { readFiles } = (loadAddon() ?? {}) as { readFiles?: ReadFiles };
    return readFiles === undefined ? undefined : new SmallFiles(readFiles, mostBatches);
  }

  /** Says which entries will be asked for next, in the order in which they will be. */
  expect(entries: readonly (PlannedMember | KeptMember)[]): void {
    for (const entry of entries) {
      if ('set' in entry || entry.type !== 'file') continue;
      if (entry.size <= mostFileBytes && entry.nlink === 1) this.waiting.push(entry);
    }
    this.begin();
  }

  /** The end of the reading that an expected entry still has to wait for; undefined when there is none. */
  pending(entry: PlannedMember): Promise<void> | undefined {
    const batch = this.batchOf(entry);
    return batch === undefined || batch.isRead ? undefined : batch.reading;
  }

  /** What was read of an entry that is not pending; undefined when it has to be read by itself. Each can be had once. */
  take(entry: PlannedMember): SmallFile | undefined {
    const batch = this.batchOf(entry);
    if (batch === undefined) return undefined;
    const at = batch.next * fieldsOfFile;
    batch.next += 1;
    const { fields } = batch;
    const value = (which: number) => fields[at + which] ?? 0;
    const flags = flagsOfState[value(field.state)];
    if (flags === undefined) return undefined;
    const size = value(field.size);
    const facts = {
      size,
      mtimeS: value(field.seconds),
      mtimeNs: value(field.nanoseconds),
      mode: value(field.mode),
      uid: value(field.uid),
      gid: value(field.gid),
      dev: asPlanned(value(field.dev), entry.dev),
      ino: asPlanned(value(field.ino), entry.ino),
      nlink: 1,
    };
    const begins = value(field.at);
    return { facts, flags, content: batch.output.subarray(begins, begins + size) };
  }

  /** Waits until nothing is being read any more. */
  async settle(): Promise<void> {
    this.waiting = [];
    await Promise.all(this.batches.map(({ reading }) => reading));
  }

  /** The batch whose turn it is, when the entry is its next one. */
  private batchOf(entry: PlannedMember): Batch | undefined {
    const [first] = this.batches;
    if (first !== undefined && first.next === first.entries.length) {
      this.batches.shift();
      this.spare.push(first.fields.buffer as ArrayBuffer);
      this.begin();
    }
    const batch = this.batches[0];
    return batch?.entries[batch.next] === entry ? batch : undefined;
  }

  private begin(): void {
    while (this.waiting.length > 0 && this.batches.length < this.mostBatches) {
      let bytes = 0;
      let count = 0;
      for (const entry of this.waiting) {
        bytes += entry.size;
        if (count === batchFiles || bytes > batchBytes) break;
        count += 1;
      }
      this.batches.push(this.read(this.waiting.splice(0, count)));
    }
  }

  private read(entries: PlannedMember[]): Batch {
    const memory = this.spare.pop() ?? new ArrayBuffer(batchFiles * bytesOfFields + batchBytes);
    const fields = new Float64Array(memory, 0, entries.length * fieldsOfFile).fill(0);
    const paths = toBytes(entries.map(({ name }) => `/${name}\0`).join(''));
    const batch = { entries, next: 0, output: Buffer.from(memory), fields, isRead: false };
    // One that failed leaves its fields at zero: each of its files is read by itself then.
    const done = () => void (whole.isRead = true);
    const reading = this.readFiles(paths, entries.length, new Uint8Array(memory)).then(done, done);
    const whole: Batch = { ...batch, reading };
    return whole;
  }
}

/** A number as the text that the plan has for it, which is the same string when it is the same number. */
function asPlanned(value: number, planned: string): string {
  return Number(planned) === value ? planned : String(value);
}
