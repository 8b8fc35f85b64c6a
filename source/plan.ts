import {
  lastGroup,
  linkedInodes,
  plannedTotals,
  recordScanned,
  tallyTexts,
  type TallyTexts,
} from '../catalog/sets/scan-state.js';
import type { Tally } from '../entry/tally.js';
import { fromBytes, toBytes } from '../entry/byte-string.js';
import { firstPathOf, holderOf, scanCursor, type FirstPathRow } from '../catalog/files/files.js';
import { maxArchiveBytes } from '../catalog/groups/groups.js';
import { FileBatch } from '../catalog/files/scan-rows.js';
import type { Catalog } from '../catalog/open-catalog.js';
import type { Holding } from '../catalog/sets/holdings.js';
import { BaseSet, type Held } from './base-set.js';
import type { WalkedEntry } from './walked-entry.js';
import { sameThreadWriter, type BatchWriter, type NewGroup } from '../catalog/files/write-batch.js';

/** Limits of a group and of staging; bytes of file content. */
export interface PlanLimits {
  groupBytes: number;
  groupFiles: number;
  /** A single file above this cannot be staged: its group goes directly to tape. */
  stagingBytes: number;
  /** True when every group goes directly to tape. */
  direct: boolean;
  /** Bytes of the largest archive that a known tape takes; a larger file gets a group of its own. */
  tapeBytes: number;
}

/**
 * Entries per commit: one fsync for all of them, about ten milliseconds of the catalog's write lock, and about 3 MB.
 */
const batchRows = 4000;

/**
 * Writes walked entries to the catalog and cuts them into file groups. Groups are ranges of the walk; a group is closed
 * before an entry that would exceed a limit, so only a single file can exceed one. Files and groups of a batch are
 * committed together: an interrupted scan continues after the last batch.
 *
 * Entries that are unchanged since the base set get a row too, but count no bytes.
 */
export class GroupPlanner {
  private readonly files = new FileBatch(batchRows);
  private readonly closed: NewGroup[] = [];
  private open: NewGroup | undefined;
  private lastNo = 0;
  /** Name of the last added entry. */
  private lastName = '';
  /** Hard-linked inodes already in the open group: they count once. */
  private inodes = new Set<string>();
  /** First path of each hard-linked inode in this batch, for links into other groups. */
  private readonly firstPaths = new Map<string, { path: Uint8Array; holder: string | undefined }>();
  private lastTally: TallyTexts | undefined;
  readonly counted = { entries: 0, bytes: 0, groups: 0 };

  private constructor(
    private readonly catalog: Catalog,
    private readonly setId: string,
    private readonly limits: PlanLimits,
    private readonly base: BaseSet | undefined,
    private readonly writer: BatchWriter,
    /** What the walk has left out before the last added entry. */
    private readonly tally: Tally | undefined,
  ) {}

  /**
   * Creates a planner that continues where an earlier scan of the set stopped, and returns the member name where it
   * stopped.
   */
  static async resume(
    catalog: Catalog,
    setId: string,
    limits: PlanLimits,
    writer: BatchWriter = sameThreadWriter(catalog),
    tally?: Tally,
  ): Promise<{ planner: GroupPlanner; after: string | undefined }> {
    const planner = new GroupPlanner(catalog, setId, limits, await BaseSet.of(catalog, setId), writer, tally);
    const last = await lastGroup(catalog, setId);
    planner.lastNo = last?.no ?? 0;
    if (last?.state === 'open') {
      planner.open = last;
      planner.lastName = fromBytes(last.last_path);
      const linked = await linkedInodes(catalog, setId, last.first_path);
      planner.inodes = new Set(linked.map((row) => `${row.dev}:${row.ino}`));
    }
    Object.assign(planner.counted, await plannedTotals(catalog, setId));
    planner.counted.groups = planner.lastNo;
    const cursor = await scanCursor(catalog, setId);
    return { planner, after: cursor === undefined ? undefined : fromBytes(cursor) };
  }

  /**
   * Adds one entry; writes a batch when it is full. Returns a promise only when the caller has to wait: awaiting a
   * million entries would take a noticeable part of the scan.
   */
  add(entry: WalkedEntry): Promise<void> | undefined {
    const { type, stats, skipped } = entry;
    const inode =
      type === 'file' && skipped === null && stats !== undefined && stats.nlink > 1
        ? `${stats.dev}:${stats.ino}`
        : undefined;
    if (this.base !== undefined || inode !== undefined) return this.addCompared(entry, inode);
    this.enter(entry, undefined, undefined);
    this.addRow(entry, null, undefined);
    return this.files.isFull ? this.writeAdded() : undefined;
  }

  /** Adds an entry that may be unchanged since the base, or a hard link to an earlier one. */
  private async addCompared(entry: WalkedEntry, inode: string | undefined): Promise<void> {
    const held = await this.base?.held(entry);
    this.enter(entry, inode, held);
    const link = inode === undefined ? null : await this.earlierLink(inode, entry.name, held);
    this.addRow(entry, link, held);
    if (this.files.isFull) await this.writeAdded();
  }

  /** Assigns the entry to a group and counts it there. */
  private enter(
    { name, type, stats, skipped }: WalkedEntry,
    inode: string | undefined,
    held: Held | undefined,
  ) {
    const size = type === 'file' && skipped === null ? (stats?.stored ?? stats?.size ?? 0) : 0;
    const stored = held === undefined ? size : 0;
    let bytes = inode !== undefined && this.inodes.has(inode) ? 0 : stored;
    if (this.open !== undefined && this.isTooMuch(this.open, bytes)) {
      this.close();
      bytes = stored;
    }
    const open = (this.open ??= this.begin(toBytes(name)));
    open.bytes += bytes;
    open.entries += 1;
    this.lastName = name;
    if (bytes > this.limits.stagingBytes) open.direct = 1;
    if (held !== undefined) open.unchanged += 1;
    else if (inode !== undefined) this.inodes.add(inode);
    this.counted.entries += 1;
    this.counted.bytes += bytes;
    if (bytes > this.limits.groupBytes || this.isLargerThanTape(bytes, 1)) this.close();
  }

  private isTooMuch(open: NewGroup, bytes: number): boolean {
    if (open.entries >= this.limits.groupFiles) return true;
    const sum = open.bytes + bytes;
    return sum > this.limits.groupBytes || this.isLargerThanTape(sum, open.entries + 1);
  }

  private isLargerThanTape(bytes: number, entries: number): boolean {
    return maxArchiveBytes({ bytes, entries }) > this.limits.tapeBytes;
  }

  private begin(path: Uint8Array): NewGroup {
    this.inodes = new Set();
    this.lastNo += 1;
    this.counted.groups = this.lastNo;
    return {
      set_id: this.setId,
      no: this.lastNo,
      state: 'open',
      bytes: 0,
      entries: 0,
      unchanged: 0,
      first_path: path,
      last_path: path,
      direct: this.limits.direct ? 1 : 0,
      token: null,
      reserved: 0,
      reason: null,
    };
  }

  private close(): void {
    if (this.open === undefined) return;
    this.closed.push({ ...this.open, last_path: toBytes(this.lastName), state: 'planned' });
    this.open = undefined;
  }

  /** Adds the row of the entry that was assigned last. */
  private addRow(
    { name, type, stats, skipped, linkTarget }: WalkedEntry,
    hardLinkOf: Uint8Array | null,
    held: Held | undefined,
  ): void {
    const stored = type === 'file' && skipped === null ? stats?.stored : undefined;
    const isPlain =
      skipped === null &&
      linkTarget === null &&
      hardLinkOf === null &&
      held === undefined &&
      stored === undefined;
    this.files.add({
      name,
      type,
      stats,
      group: this.lastNo,
      state: skipped !== null ? 'skipped' : held === undefined ? 'planned' : 'unchanged',
      size: type === 'file' && skipped === null ? (stats?.size ?? 0) : 0,
      rare: isPlain
        ? undefined
        : {
            link_target: linkTarget === null ? null : toBytes(linkTarget),
            hard_link_of: hardLinkOf,
            reason: skipped,
            stored_size: stored ?? null,
            ...held,
          },
    });
  }

  /** The first path of this inode, unless it is certain that the same archive holds both. */
  private async earlierLink(inode: string, name: string, held: Held | undefined): Promise<Uint8Array | null> {
    const own = {
      set_id: this.setId,
      group_no: this.lastNo,
      held_set: null,
      held_group: null,
      link_target: null,
    };
    const state = held === undefined ? 'planned' : 'unchanged';
    const holder = this.certainHolder({ ...own, ...held, state, path: toBytes(name) });
    const [dev = '', ino = ''] = inode.split(':');
    let first = this.firstPaths.get(inode);
    if (first === undefined) {
      await this.writer.idle();
      const row = await firstPathOf(this.catalog, this.setId, dev, ino).executeTakeFirst();
      first =
        row === undefined
          ? { path: toBytes(name), holder }
          : { path: row.path, holder: this.certainHolder(row) };
      this.firstPaths.set(inode, first);
      if (row === undefined) return null;
    }
    return holder !== undefined && first.holder === holder ? null : first.path;
  }

  /**
   * The archive that will hold a file's content. Undefined when only packing shows whether it is this set's or an
   * earlier one's, and when a name that counts as unchanged may have become a link since, or is one before its file.
   */
  private certainHolder(row: FirstPathRow): string | undefined {
    if (this.base !== undefined && (row.state !== 'unchanged' || !this.base.isExact)) return undefined;
    if (row.link_target !== null && Buffer.compare(row.link_target, row.path) > 0) return undefined;
    const { setId, group } = holderOf(row);
    return `${setId} ${group}`;
  }

  /** Commits everything that was added. */
  async flush(): Promise<void> {
    await this.writeAdded();
    await this.writer.idle();
  }

  /** Hands the files and groups added since the last batch to the writer. */
  private async writeAdded(): Promise<void> {
    if (this.files.rows === 0 && this.closed.length === 0) return;
    if (this.open !== undefined) this.open.last_path = toBytes(this.lastName);
    const { setId, open } = this;
    const files = this.files.take();
    const tally = this.changedTally();
    const written = await this.writer.write({ setId, files, closed: this.closed.splice(0), open, tally });
    if (written !== undefined) this.files.giveBack(written);
    this.firstPaths.clear();
  }

  private changedTally(): TallyTexts | undefined {
    if (this.tally === undefined) return undefined;
    const texts = tallyTexts(this.tally);
    const isSame = texts.tally === this.lastTally?.tally && texts.left_out === this.lastTally?.left_out;
    this.lastTally = texts;
    return isSame ? undefined : texts;
  }

  /** Closes the last group and marks the set as scanned; `holdings` is what each source holds, if that is known. */
  async finish(leftOut: string[], holdings?: readonly Holding[]): Promise<void> {
    this.close();
    await this.flush();
    await recordScanned(this.catalog, this.setId, leftOut, this.tally, holdings);
  }
}
