import { contentBetween, type ContentRow } from '../catalog/sets/base-rows.js';
import type { ComparedRow } from '../catalog/sets/compared-layer.js';
import { ComparedRows } from '../catalog/sets/compared-rows.js';
import { goodCopies } from '../catalog/copies/other-copy.js';
import { displayName, toBytes } from '../entry/byte-string.js';
import type { EntryStats } from '../entry/entry-stats.js';
import type { FileRow } from '../catalog/rows.js';
import type { Catalog } from '../catalog/open-catalog.js';
import { ignoredSigns, type IgnoredSigns } from '../catalog/sets/ignored-signs.js';
import { plannedTotals } from '../catalog/sets/scan-state.js';
import { setNamed } from '../catalog/sets/sets.js';
import type { WalkedEntry } from './walked-entry.js';

/**
 * A file changed within this many seconds before the base began is doubtful: it may have changed again, in the same
 * tick of the file system's clock, after the base read it. Two, because that is the coarsest clock (FAT).
 */
const doubtfulSeconds = 2;

/** The columns of an unchanged entry that the scan cannot see: where its content is, and what it has of attributes. */
export type Held = Pick<FileRow, 'held_set' | 'held_group'> & ContentRow;

/** A file that is unchanged since the base. */
export interface Unchanged {
  row: ComparedRow;
  /** True when the base's row says all that there is to say of it. */
  isSame: boolean;
}

/** Reads a large base ahead of the scan. */
export interface PagesOfBase {
  /** Pages of the rows of a set with so many entries, behind a path if one is given; undefined for a small set. */
  pagesOf(
    setId: string,
    entries: number,
    after: Uint8Array | undefined,
  ): AsyncGenerator<ComparedRow[]> | undefined;
}

/**
 * The complete files of the base set, read in the order of the walk. Whatever is not certain to be unchanged is planned
 * to be stored; a file of the same size is read first when it is packed, and only listed when it still has its content
 * (see operations/groups/held-content.ts).
 */
export class BaseSet {
  private pages: AsyncGenerator<ComparedRow[]>;
  private page: ComparedRow[] = [];
  private at = 0;
  private ended = false;
  private gone: string[] = [];
  /** By holding archive: whether an intact copy is on a tape. */
  private readonly holders = new Map<string, boolean>();
  /** The row that was last seen to be held there. */
  private lastHeld: ComparedRow | undefined;
  /** What is known of the content of a page's files. */
  private content: { page: readonly ComparedRow[]; rows: Map<string, ContentRow> } | undefined;

  private constructor(
    private readonly catalog: Catalog,
    readonly setId: string,
    private readonly rows: ComparedRows,
    /** Seconds since 1970, rounded down. */
    private readonly began: number,
    private readonly ignored: Required<IgnoredSigns>,
  ) {
    this.pages = rows.pages(undefined);
  }

  /** Begins to read before anything is asked for: behind a path if one is given, a large base ahead of the scan. */
  async begin(after: Uint8Array | undefined, ahead?: PagesOfBase): Promise<void> {
    const { entries } = await plannedTotals(this.catalog, this.setId);
    this.pages = ahead?.pagesOf(this.setId, entries, after) ?? this.rows.pages(after);
  }

  /** True when what counts as unchanged is the very inode of the base, with what was known of it. */
  get isExact(): boolean {
    return !this.ignored.ignoreCtime && !this.ignored.ignoreInode;
  }

  /** Opens the base of a set; undefined when it has none. */
  static async of(catalog: Catalog, setId: string): Promise<BaseSet | undefined> {
    const { base_id: id, options } = await setNamed(catalog, setId);
    return id === null ? undefined : BaseSet.on(catalog, id, ignoredSigns(JSON.parse(options)));
  }

  /** Opens a set as the base of another one that leaves these signs of a change out. */
  static async on(catalog: Catalog, id: string, ignored: Required<IgnoredSigns>): Promise<BaseSet> {
    const { created_at: began } = await setNamed(catalog, id);
    return new BaseSet(catalog, id, await ComparedRows.of(catalog, id), Math.floor(began / 1000), ignored);
  }

  /**
   * An entry's row in the base, if it is a file that is the same as there: same path, size, mtime, ctime and inode
   * number. The device is not compared, since its number changes when some file systems are remounted. Entries must
   * come in name order; one that does not counts as changed. What the set is to ignore is not compared.
   *
   * Returns a promise only when something has to be read: awaiting each of a million entries would take as long as
   * looking at them.
   */
  unchanged(entry: WalkedEntry): Unchanged | undefined | Promise<Unchanged | undefined> {
    const row = this.rowAt(entry.name);
    if (row === 'unread') return this.readOn().then(() => this.unchanged(entry));
    if (row === undefined) return undefined;
    const found = this.compared(row, entry);
    const isHeld = found === undefined || this.isOnTape(row);
    if (typeof isHeld === 'boolean') return isHeld ? found : undefined;
    return isHeld.then((is) => (is ? found : undefined));
  }

  private compared(row: ComparedRow, { type, stats, skipped }: WalkedEntry): Unchanged | undefined {
    if (type !== 'file' || stats === undefined || skipped !== null) return undefined;
    const { ignoreCtime, ignoreInode } = this.ignored;
    const isSameCtime = row.ctime_s === stats.ctimeS && row.ctime_ns === stats.ctimeNs;
    const isSameInode = isInodeOf(row, stats.ino);
    const isUnchanged =
      row.size === stats.size &&
      row.mtime_s === stats.mtimeS &&
      row.mtime_ns === stats.mtimeNs &&
      (ignoreCtime || isSameCtime) &&
      (ignoreInode || isSameInode);
    const changed = ignoreCtime ? row.mtime_s : row.ctime_s;
    if (!isUnchanged || changed + doubtfulSeconds > this.began) return undefined;
    return { row, isSame: isSameCtime && isSameInode && isInherited(row) && hasRightsOf(row, stats) };
  }

  /** Where the content of an unchanged file is, of the last entry that was asked for. */
  async heldAt({ row }: Unchanged): Promise<Held> {
    const { page } = this;
    if (this.content?.page !== page) {
      const [from, upTo] = [page[0], page.at(-1)].map((end) => toBytes(end?.name ?? row.name));
      const range = { from: from ?? toBytes(row.name), upTo: upTo ?? toBytes(row.name) };
      this.content = { page, rows: await contentBetween(this.catalog, this.setId, range) };
    }
    const content = this.content.rows.get(row.name);
    if (content === undefined) throw new Error(`the base has lost ${displayName(row.name)}`);
    const { setId, group } = this.rows.holderOf(row);
    const { sha256, tar_offset, link_target, stored_size, attributes } = content;
    return { held_set: setId, held_group: group, sha256, tar_offset, link_target, stored_size, attributes };
  }

  /** Paths that the base has, that may be taken from it, and that no entry had since they were taken. */
  takeGone(): string[] {
    const taken = this.gone;
    // Most entries have none before them.
    if (taken.length > 0) this.gone = [];
    return taken;
  }

  /** Paths that the base has behind the last entry that it was asked for, in pages. */
  async *takeRest(): AsyncGenerator<string[]> {
    const namesOf = (rows: readonly ComparedRow[]) => rows.filter(isInherited).map(({ name }) => name);
    yield [...this.takeGone(), ...namesOf(this.page.slice(this.at))];
    this.page = [];
    if (this.ended) return;
    for await (const page of this.pages) yield namesOf(page);
    this.ended = true;
  }

  /** The base's row of a name; `unread` when its next page has to be read first. */
  private rowAt(name: string): ComparedRow | undefined | 'unread' {
    for (;;) {
      const row = this.page[this.at];
      if (row === undefined) return this.ended ? undefined : 'unread';
      const isThis = name === row.name;
      if (!isThis && name < row.name) return undefined;
      this.at += 1;
      if (isThis) return row;
      if (isInherited(row)) this.gone.push(row.name);
    }
  }

  private async readOn(): Promise<void> {
    const next = await this.pages.next();
    this.ended = next.done === true;
    this.page = next.done === true ? [] : next.value;
    this.at = 0;
  }

  /** False for what an archive holds that is no longer on tape or was found damaged: it cannot be relied on. */
  private isOnTape(row: ComparedRow): boolean | Promise<boolean> {
    const { lastHeld: last } = this;
    const isAsLast =
      last?.part === row.part &&
      last.group_no === row.group_no &&
      last.held_layer === row.held_layer &&
      last.held_group === row.held_group;
    if (isAsLast) return true;
    const { setId, group } = this.rows.holderOf(row);
    const key = `${setId} ${group}`;
    const known = this.holders.get(key);
    if (known === true) this.lastHeld = row;
    return known ?? this.askOfHolder(key, setId, group);
  }

  private async askOfHolder(key: string, setId: string, group: number): Promise<boolean> {
    const isThere = (await goodCopies(this.catalog, setId, group)).length > 0;
    this.holders.set(key, isThere);
    return isThere;
  }
}

/** Mode, owner and number of links. */
function hasRightsOf({ mode, uid, gid, nlink }: ComparedRow, stats: EntryStats): boolean {
  return mode === (stats.mode & 0o7777) && uid === stats.uid && gid === stats.gid && nlink === stats.nlink;
}

/** True for a file that may be missing in a later set that lies on this one; see `isInherited` in tree-rows.ts. */
const isInherited = ({ nlink }: ComparedRow) => nlink === 1;

function isInodeOf({ ino, large_ino: large }: ComparedRow, seen: number | bigint): boolean {
  return typeof seen === 'number' ? ino === seen : large === BigInt.asIntN(64, seen).toString();
}
