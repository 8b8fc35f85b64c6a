import { endsInside, type TarSource } from './block-reader.js';
import { giveMemory, takeMemory } from './buffer-pool.js';
import { loadAddon } from './native-addon.js';
import type { Place, TargetTree } from './target-tree.js';
import type { WantedMember } from './unpack-options.js';

/** Largest file that goes into a batch: of larger ones the calls for each file cost little beside the rest. */
const mostFileBytes = 128 * 1024;
/** Names and contents of one batch, and its files. */
const batchBytes = 1024 * 1024;
const batchFiles = 256;

/** The order of `enum field` in native/write-files.c, and its `enum state`. */
const [STATE, FOLDER, NAME, CONTENT, SIZE, MODE, UID, GID, SECONDS, NANOSECONDS, FIELDS] = [
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
] as const;
const [DONE, UNABLE] = [1, 2] as const;
const hexBytes = 64;
const recordBytes = FIELDS * Float64Array.BYTES_PER_ELEMENT + hexBytes;
const recordFields = recordBytes / Float64Array.BYTES_PER_ELEMENT;

/** See native/write-files.c. */
type WriteFiles = (memory: Uint8Array, count: number, owners: boolean) => Promise<void>;

export interface BatchedFile {
  member: WantedMember;
  /** A number of the caller's. */
  no: number;
  /** Undefined when it is only compared. */
  place: Place | undefined;
  contentAt: number;
}

export interface FileBatchOptions {
  /** Undefined when files are only compared. */
  tree: TargetTree | undefined;
  owners: boolean;
  /** Batches that are written at once. */
  mostBatches: number;
  /** Both are called in the order of the files, while one of the methods runs. */
  done(file: BatchedFile): void;
  /** Nothing is left of the file. The content is good until it settles; it may have any SHA-256. */
  left(file: BatchedFile, content: Buffer): Promise<void>;
}

interface Batch {
  files: BatchedFile[];
  memory: Buffer;
  fields: Float64Array;
  /** Where in the memory the next file's name goes. */
  end: number;
  writing: Promise<void>;
}

/**
 * Compares small files with their SHA-256 and puts them into their places on libuv's pool, many in one job, through the
 * native addon, while the next ones are taken out of the archive. It does only what goes well: any other file is given
 * back to be put by itself, as all are where the addon is not, and that way finds out what is the matter with it.
 */
export class FileBatches {
  private filling: Batch | undefined;
  private readonly running: Batch[] = [];
  /** The target's file system takes no files that way. */
  private isUnable = false;

  private constructor(
    private readonly writeFiles: WriteFiles,
    private readonly options: FileBatchOptions,
  ) {}

  /** Undefined where the addon, or this system, cannot. */
  static open(options: FileBatchOptions): FileBatches | undefined {
    const { writeFiles } = (loadAddon() ?? {}) as { writeFiles?: WriteFiles };
    return writeFiles === undefined ? undefined : new FileBatches(writeFiles, options);
  }

  takes({ type, nlink, size, linkOffset, sha256, name }: WantedMember): boolean {
    const isSmall = size <= mostFileBytes && name.length < mostFileBytes;
    return (
      isSmall && type === 'file' && nlink === 1 && linkOffset === null && sha256 !== null && !this.isUnable
    );
  }

  /**
   * Copies the content of a file that it takes, and puts it with others when there are enough. Nothing may be at its place.
   * Its folder is held until then. Throws what `source` throws.
   */
  async add(file: Omit<BatchedFile, 'contentAt'>, contentOffset: number, source: TarSource): Promise<void> {
    const { member, place } = file;
    const { tree } = this.options;
    if (place !== undefined) tree?.hold(place.folder);
    try {
      const name = place?.last ?? '-';
      const batch = await this.batchFor(name.length + 1 + member.size);
      const contentAt = batch.end + name.length + 1;
      await copyContent(source, contentOffset, batch.memory.subarray(contentAt, contentAt + member.size));
      putRecord(batch, { ...file, contentAt }, name);
    } catch (error) {
      if (place !== undefined) tree?.release(place.folder);
      throw error;
    }
  }

  /** Puts all that were added. */
  async settle(): Promise<void> {
    this.begin();
    while (this.running.length > 0) await this.finishFirst();
  }

  /** Waits until nothing is being written any more, and forgets what was added. */
  async abandon(): Promise<void> {
    const batches = [...this.running.splice(0), ...(this.filling === undefined ? [] : [this.filling])];
    this.filling = undefined;
    for (const batch of batches) {
      await batch.writing;
      this.release(batch);
    }
  }

  /** One with room for a file; where there was none, it begins the work on the full one. */
  private async batchFor(bytes: number): Promise<Batch> {
    const { filling } = this;
    if (filling !== undefined) {
      if (filling.files.length < batchFiles && filling.end + bytes <= filling.memory.length) return filling;
      this.begin();
    }
    while (this.running.length >= this.options.mostBatches) await this.finishFirst();
    const buffer = takeMemory(batchFiles * recordBytes + batchBytes);
    const fields = new Float64Array(buffer);
    const end = batchFiles * recordBytes;
    this.filling = { files: [], memory: Buffer.from(buffer), fields, end, writing: Promise.resolve() };
    return this.filling;
  }

  private begin(): void {
    const batch = this.filling;
    this.filling = undefined;
    if (batch === undefined || batch.files.length === 0) return;
    // One that failed leaves the states at zero: each of its files is put by itself then.
    batch.writing = this.writeFiles(batch.memory, batch.files.length, this.options.owners).catch(
      () => undefined,
    );
    this.running.push(batch);
  }

  private async finishFirst(): Promise<void> {
    const batch = this.running.shift();
    if (batch === undefined) return;
    await batch.writing;
    this.release(batch);
    for (const [at, file] of batch.files.entries()) {
      const state = batch.fields[at * recordFields + STATE];
      if (state === UNABLE) this.isUnable = true;
      const { contentAt, member } = file;
      if (state === DONE) this.options.done(file);
      else await this.options.left(file, batch.memory.subarray(contentAt, contentAt + member.size));
    }
    giveMemory(batch.fields.buffer);
  }

  private release({ files }: Batch): void {
    for (const { place } of files) if (place !== undefined) this.options.tree?.release(place.folder);
  }
}

async function copyContent(source: TarSource, offset: number, into: Buffer): Promise<void> {
  for (let have = 0; have < into.length;) {
    const chunk = await source.chunkAt(offset + have);
    if (chunk === undefined) throw endsInside(offset + have);
    have += chunk.data.copy(into, have, offset + have - chunk.start);
  }
}

function putRecord(batch: Batch, file: BatchedFile, name: string): void {
  const { member, place, contentAt } = file;
  const { memory, fields } = batch;
  const at = batch.files.length * recordFields;
  fields[at + STATE] = 0;
  fields[at + FOLDER] = place === undefined ? -1 : place.folder.fd;
  fields[at + NAME] = batch.end;
  fields[at + CONTENT] = contentAt;
  fields[at + SIZE] = member.size;
  fields[at + MODE] = member.mode;
  fields[at + UID] = member.uid;
  fields[at + GID] = member.gid;
  fields[at + SECONDS] = member.mtimeS;
  fields[at + NANOSECONDS] = member.mtimeNs;
  memory.write(
    (member.sha256 ?? '').padEnd(hexBytes),
    (at + FIELDS) * Float64Array.BYTES_PER_ELEMENT,
    hexBytes,
    'latin1',
  );
  memory.write(`${name}\0`, batch.end, 'latin1');
  batch.files.push(file);
  batch.end = contentAt + member.size;
}
