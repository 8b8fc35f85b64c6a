import { baseRows, mayBeBuiltOn, type BaseRow } from '../catalog/sets/base-rows.js';
import { goodCopies } from '../catalog/copies/other-copy.js';
import { toBytes } from '../entry/byte-string.js';
import type { EntryStats } from '../entry/entry-stats.js';
import { holderOf } from '../catalog/files/files.js';
import { isInherited } from '../catalog/files/tree-rows.js';
import type { FileRow } from '../catalog/rows.js';
import type { Catalog } from '../catalog/open-catalog.js';
import { ignoredSigns, type IgnoredSigns } from '../catalog/sets/ignored-signs.js';
import { setNamed } from '../catalog/sets/sets.js';
import type { WalkedEntry } from './walked-entry.js';

/**
 * A file changed within this many seconds before the base began is doubtful: it may have changed again, in the same
 * tick of the file system's clock, after the base read it. Two, because that is the coarsest clock (FAT).
 */
const doubtfulSeconds = 2;

/** The columns of an unchanged entry that the scan cannot see: where its content is, and what it has of attributes. */
export type Held = Pick<
  FileRow,
  'held_set' | 'held_group' | 'sha256' | 'tar_offset' | 'link_target' | 'stored_size' | 'attributes'
>;

/**
 * The complete files of the base set, read in the order of the walk. Whatever is not certain to be unchanged is planned
 * to be stored; a file of the same size is read first when it is packed, and only listed when it still has its content
 * (see operations/groups/held-content.ts).
 */
export class BaseSet {
  private rows: AsyncGenerator<BaseRow[]>;
  private page: BaseRow[] = [];
  private at = 0;
  private ended = false;
  private gone: Uint8Array[] = [];
  /** By holding archive: whether an intact copy is on a tape. */
  private readonly holders = new Map<string, boolean>();

  private constructor(
    private readonly catalog: Catalog,
    readonly setId: string,
    /** Seconds since 1970, rounded down. */
    private readonly began: number,
    private readonly ignored: Required<IgnoredSigns>,
  ) {
    this.rows = baseRows(catalog, setId, undefined);
  }

  /** Begins behind a path, before anything was asked for. */
  beginAfter(path: Uint8Array): void {
    this.rows = baseRows(this.catalog, this.setId, path);
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
    return new BaseSet(catalog, id, Math.floor(began / 1000), ignored);
  }

  /**
   * Where the content of an entry is, if it is a file that is the same as in the base: same path, size, mtime, ctime
   * and inode number. The device is not compared, since its number changes when some file systems are remounted.
   * Entries must come in name order; one that does not counts as changed. What the set is to ignore is not compared.
   *
   * @returns also whether the base's row says all that there is to say of the entry.
   */
  async held(entry: WalkedEntry): Promise<{ held: Held; isSame: boolean } | undefined> {
    const { name, type, stats, skipped } = entry;
    const row = await this.rowAt(toBytes(name));
    if (row === undefined || !mayBeBuiltOn(row)) return undefined;
    if (type !== 'file' || stats === undefined || skipped !== null) return undefined;
    const { ignoreCtime, ignoreInode } = this.ignored;
    const isSameCtime = row.ctime_s === stats.ctimeS && row.ctime_ns === stats.ctimeNs;
    const isSameInode = row.ino === String(stats.ino);
    const isUnchanged =
      row.size === stats.size &&
      row.mtime_s === stats.mtimeS &&
      row.mtime_ns === stats.mtimeNs &&
      (ignoreCtime || isSameCtime) &&
      (ignoreInode || isSameInode);
    const changed = ignoreCtime ? row.mtime_s : row.ctime_s;
    if (!isUnchanged || changed + doubtfulSeconds > this.began) return undefined;
    const { setId, group } = holderOf(row);
    if (!(await this.isOnTape(setId, group))) return undefined;
    const { sha256, tar_offset, link_target, stored_size, attributes } = row;
    const held = {
      held_set: setId,
      held_group: group,
      sha256,
      tar_offset,
      link_target,
      stored_size,
      attributes,
    };
    const isSame = isSameCtime && isSameInode && isInherited(row) && hasRightsOf(row, stats);
    return { held, isSame };
  }

  /** Paths that the base has, that may be taken from it, and that no entry had since they were taken. */
  takeGone(): Uint8Array[] {
    const taken = this.gone;
    // Most entries have none before them.
    if (taken.length > 0) this.gone = [];
    return taken;
  }

  /** Paths that the base has behind the last entry that it was asked for, in pages. */
  async *takeRest(): AsyncGenerator<Uint8Array[]> {
    const pathsOf = (rows: readonly BaseRow[]) => rows.filter(isInherited).map(({ path }) => path);
    yield [...this.takeGone(), ...pathsOf(this.page.slice(this.at))];
    this.page = [];
    if (this.ended) return;
    for await (const page of this.rows) yield pathsOf(page);
    this.ended = true;
  }

  private async rowAt(path: Buffer): Promise<BaseRow | undefined> {
    for (;;) {
      const row = this.page[this.at];
      if (row === undefined) {
        if (this.ended) return undefined;
        const next = await this.rows.next();
        this.ended = next.done === true;
        this.page = next.done === true ? [] : next.value;
        this.at = 0;
        continue;
      }
      const order = path.compare(row.path);
      if (order < 0) return undefined;
      this.at += 1;
      if (order === 0) return row;
      if (isInherited(row)) this.gone.push(row.path);
    }
  }

  /** False for an archive that is no longer on tape or was found damaged: it cannot be relied on. */
  private async isOnTape(setId: string, group: number): Promise<boolean> {
    const key = `${setId} ${group}`;
    let known = this.holders.get(key);
    if (known === undefined) {
      known = (await goodCopies(this.catalog, setId, group)).length > 0;
      this.holders.set(key, known);
    }
    return known;
  }
}

/** Mode, owner and number of links. */
function hasRightsOf({ mode, uid, gid, nlink }: BaseRow, stats: EntryStats): boolean {
  return mode === (stats.mode & 0o7777) && uid === stats.uid && gid === stats.gid && nlink === stats.nlink;
}
