import { toBytes } from './byte-string.js';
import { giveMemory, takeMemory } from './buffer-pool.js';
import type { KeptMember, MemberFlag, PlannedMember } from './member.js';
import { loadAddon } from './native-addon.js';
import type { FileFacts } from './source-file.js';
import { paddedBytes, recordBytes } from './tar-header.js';

/** Largest file that is read ahead: of larger ones the calls for each file cost little beside the rest. */
const mostFileBytes = 128 * 1024;
/** Members and files of one batch. */
const batchBytes = 1024 * 1024;
const batchFiles = 512;

/** The order of `enum field` in native/read-files.c, and its `enum state`. */
const [STATE, SIZE, SECONDS, NANOSECONDS, MODE, UID, GID, DEV, INO, HEADER, CONTENT, FIELDS] = [
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
] as const;
const hexBytes = 64;
const mostHeaderBytes = 3 * recordBytes;
/** For each file, before the members. */
const bytesBefore = FIELDS * Float64Array.BYTES_PER_ELEMENT + hexBytes;
const flagsOfState: readonly (readonly MemberFlag[] | undefined)[] = [undefined, [], ['grew'], ['changed']];

/** See native/read-files.c. */
type ReadFiles = (paths: Uint8Array, count: number, output: Uint8Array) => Promise<void>;

/** A file as it was read, whole. */
export interface SmallFile {
  facts: FileFacts;
  flags: readonly MemberFlag[];
  sha256: string;
  /** Holds the member's headers, its content, and zeros up to a whole record. Good until the next entry is asked for. */
  output: Buffer;
  /** Where in it the headers and the content begin; equal when its headers still have to be made. */
  headerAt: number;
  contentAt: number;
}

interface Batch {
  entries: PlannedMember[];
  /** Index of the entry that is asked for next. */
  next: number;
  output: Buffer;
  fields: Float64Array;
  /** All hashes, one after the other, once it is read. */
  hashes: string;
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
    const file = batch.next;
    batch.next += 1;
    const { fields, hashes, output } = batch;
    const value = (field: number) => fields[file * FIELDS + field] ?? 0;
    const flags = flagsOfState[value(STATE)];
    if (flags === undefined) return undefined;
    const facts = {
      size: value(SIZE),
      mtimeS: value(SECONDS),
      mtimeNs: value(NANOSECONDS),
      mode: value(MODE),
      uid: value(UID),
      gid: value(GID),
      dev: asPlanned(value(DEV), entry.dev),
      ino: asPlanned(value(INO), entry.ino),
      nlink: 1,
    };
    const sha256 = hashes.slice(file * hexBytes, (file + 1) * hexBytes);
    return { facts, flags, sha256, output, headerAt: value(HEADER), contentAt: value(CONTENT) };
  }

  /** Waits until nothing is being read any more. Nothing may be asked for, nor what was given be used, from then on. */
  async settle(): Promise<void> {
    this.waiting = [];
    const batches = this.batches.splice(0);
    await Promise.all(batches.map(({ reading }) => reading));
    for (const { fields } of batches) giveMemory(fields.buffer);
  }

  /** The batch whose turn it is, when the entry is its next one. */
  private batchOf(entry: PlannedMember): Batch | undefined {
    const [first] = this.batches;
    if (first !== undefined && first.next === first.entries.length) {
      this.batches.shift();
      giveMemory(first.fields.buffer);
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
        bytes += mostHeaderBytes + paddedBytes(entry.size);
        if (count === batchFiles || bytes > batchBytes) break;
        count += 1;
      }
      this.batches.push(this.read(this.waiting.splice(0, count)));
    }
  }

  private read(entries: PlannedMember[]): Batch {
    const count = entries.length;
    const memory = takeMemory(batchFiles * bytesBefore + batchBytes);
    const output = Buffer.from(memory);
    const fields = new Float64Array(memory, 0, count * FIELDS).fill(0);
    const paths = toBytes(entries.map(({ name }) => `/${name}\0`).join(''));
    const read = () => {
      const hashesAt = fields.byteLength;
      batch.hashes = output.toString('latin1', hashesAt, hashesAt + count * hexBytes);
      batch.isRead = true;
    };
    // One that failed leaves its fields at zero: each of its files is read by itself then.
    const reading = this.readFiles(paths, count, output).then(read, read);
    const batch: Batch = { entries, next: 0, output, fields, hashes: '', isRead: false, reading };
    return batch;
  }
}

/** A number as the text that the plan has for it, which is the same string when it is the same number. */
function asPlanned(value: number, planned: string): string {
  return Number(planned) === value ? planned : String(value);
}
