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
import { layOn } from '../catalog/files/layers.js';
import { FileBatch } from '../catalog/files/file-batch.js';
import { forgetBehind } from '../catalog/files/scan-rows.js';
import type { Catalog } from '../catalog/open-catalog.js';
import type { Holding } from '../catalog/sets/holdings.js';
import { sameThreadWriter, type BatchWriter } from '../catalog/files/write-batch.js';
import { BaseSet, type Held, type PagesOfBase, type Unchanged } from './base-set.js';
import { EarlierNames } from './earlier-names.js';
import { GroupCutter, type PlanLimits } from './group-cutter.js';
import { linkedInode, type WalkedEntry } from './walked-entry.js';

/**
 * Entries per commit: one fsync for all of them, about ten milliseconds of the catalog's write lock, and about 3 MB.
 */
const batchRows = 4000;
/** Entries after which a batch is written, however few rows it has. */
const batchEntries = 20_000;

const none: readonly string[] = [];

/** What a planner works with. */
export interface PlannerParts {
  writer?: BatchWriter;
  /** What the walk leaves out. */
  tally?: Tally;
  /** Reads the rows of a large base. */
  ahead?: PagesOfBase;
}

/**
 * Writes walked entries to the catalog, and the file groups that they are cut into. Files and groups of a batch are
 * committed together: an interrupted scan continues after the last batch.
 *
 * Entries that are unchanged since the base set count no bytes, and get a row only where the base's does not say it
 * all.
 */
export class GroupPlanner {
  private readonly files = new FileBatch(batchRows);
  private readonly cutter: GroupCutter;
  private readonly earlierNames: EarlierNames;
  private lastTally: TallyTexts | undefined;
  /** True when the set lies on its base. */
  private isLayered = false;
  /** Entries since the last batch, with those that get no row. */
  private entered = 0;

  private constructor(
    private readonly catalog: Catalog,
    private readonly setId: string,
    limits: PlanLimits,
    private readonly base: BaseSet | undefined,
    private readonly writer: BatchWriter,
    /** What the walk has left out before the last added entry. */
    private readonly tally: Tally | undefined,
  ) {
    this.cutter = new GroupCutter(setId, limits);
    this.earlierNames = new EarlierNames(catalog, setId, base, writer);
  }

  /** Entries, bytes and groups so far. */
  get counted(): GroupCutter['counted'] {
    return this.cutter.counted;
  }

  /**
   * Creates a planner that continues where an earlier scan of the set stopped, and returns the member name where it
   * stopped.
   */
  static async resume(
    catalog: Catalog,
    setId: string,
    limits: PlanLimits,
    { writer = sameThreadWriter(catalog), tally, ahead }: PlannerParts = {},
  ): Promise<{ planner: GroupPlanner; after: string | undefined }> {
    const base = await BaseSet.of(catalog, setId);
    const planner = new GroupPlanner(catalog, setId, limits, base, writer, tally);
    planner.isLayered = base !== undefined && (await layOn(catalog, setId, base.setId));
    const last = await lastGroup(catalog, setId);
    const counted = { ...(await plannedTotals(catalog, setId)), groups: last?.no ?? 0 };
    if (last?.state === 'open') {
      const linked = await linkedInodes(catalog, setId, last.first_path);
      planner.cutter.goOn(counted, { group: last, inodes: linked.map(({ dev, ino }) => `${dev}:${ino}`) });
    } else {
      planner.cutter.goOn(counted);
    }
    const cursor = last?.last_path;
    await forgetBehind(catalog, setId, cursor);
    await base?.begin(cursor, ahead);
    return { planner, after: cursor === undefined ? undefined : fromBytes(cursor) };
  }

  /**
   * Adds one entry; writes a batch when it is full. Returns a promise only when the caller has to wait: awaiting a
   * million entries would take a noticeable part of the scan.
   */
  add(entry: WalkedEntry): Promise<void> | undefined {
    const inode = linkedInode(entry);
    const found = this.base?.unchanged(entry);
    if (found instanceof Promise) return found.then((known) => this.addCompared(entry, inode, known));
    if (this.base !== undefined || inode !== undefined) return this.addCompared(entry, inode, found);
    this.cutter.enter(entry, undefined, false);
    this.addRow(entry, null, undefined);
    return this.files.isFull ? this.writeAdded() : undefined;
  }

  /** Adds an entry that was compared with the base; most are as they were there, and nothing is written of them. */
  private addCompared(
    entry: WalkedEntry,
    inode: string | undefined,
    found: Unchanged | undefined,
  ): Promise<void> | undefined {
    // Taken in any case, or else they would pile up.
    const gone = this.base?.takeGone() ?? none;
    if (!this.isLayered || found?.isSame !== true || gone.length > 0)
      return this.addChanged(entry, inode, found, gone);
    this.enter(entry, inode, true);
    return this.entered >= batchEntries ? this.writeAdded() : undefined;
  }

  /** Adds an entry that the base has not, or not quite so, and before it what is gone. */
  private async addChanged(
    entry: WalkedEntry,
    inode: string | undefined,
    found: Unchanged | undefined,
    gone: readonly string[],
  ): Promise<void> {
    const isSaid = this.isLayered && found?.isSame === true;
    const held = found === undefined || isSaid ? undefined : await this.base?.heldAt(found);
    if (this.isLayered) for (const name of gone) await this.addGone(name);
    this.enter(entry, inode, found !== undefined);
    if (isSaid) {
      if (this.entered >= batchEntries) await this.writeAdded();
      return;
    }
    const group = entry.type === 'file' ? this.cutter.lastNo : undefined;
    const link = inode === undefined ? null : await this.earlierNames.of(inode, entry.name, group, held);
    this.addRow(entry, link, held);
    if (this.files.isFull) await this.writeAdded();
  }

  /** Assigns an entry to a group. */
  private enter(entry: WalkedEntry, inode: string | undefined, isHeld: boolean): void {
    this.cutter.enter(entry, entry.type === 'file' ? inode : undefined, isHeld);
    this.entered += 1;
  }

  /** Adds a row that says that a path of the base is none of this set. */
  private async addGone(name: string): Promise<void> {
    const row = { name, type: 'other', state: 'gone', group: this.cutter.lastNo } as const;
    this.files.add({ ...row, size: 0, stats: undefined, rare: undefined });
    if (this.files.isFull) await this.writeAdded();
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
      group: this.cutter.lastNo,
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

  /** Commits everything that was added. */
  async flush(): Promise<void> {
    await this.writeAdded();
    await this.writer.idle();
  }

  /** Hands the files and groups added since the last batch to the writer. */
  private async writeAdded(): Promise<void> {
    if (this.files.rows === 0 && this.entered === 0 && !this.cutter.hasClosed) return;
    this.entered = 0;
    const files = this.files.take();
    const tally = this.changedTally();
    const written = await this.writer.write({ setId: this.setId, files, ...this.cutter.take(), tally });
    if (written !== undefined) this.files.giveBack(written);
    this.earlierNames.forget();
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
    // A set that lies on this one may have names behind its last one.
    if (this.isLayered && this.base !== undefined)
      for await (const names of this.base.takeRest()) for (const name of names) await this.addGone(name);
    this.cutter.close();
    await this.flush();
    await recordScanned(this.catalog, this.setId, leftOut, this.tally, holdings);
  }
}
