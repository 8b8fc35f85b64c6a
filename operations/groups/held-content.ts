import { hashedRowsAt, type HashedRow } from '../../catalog/sets/base-rows.js';
import { goodCopies } from '../../catalog/copies/other-copy.js';
import { holderOf, holdingOf, namesOfInode } from '../../catalog/files/files.js';
import { tarOffsetOf } from '../../catalog/files/member-offsets.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import { fromBytes, toBytes } from '../../entry/byte-string.js';
import type { HeldContent, PlannedMember } from '../../entry/member.js';

/**
 * What the base of a set holds of files that the scan could not be sure of: their inode was changed (a mode, an owner,
 * another link, a `touch`), or is another one (a copy of the disk), but they have the same size. Packing reads such a
 * file first and stores it only when its SHA-256 is another one.
 */
export class HeldContents {
  /** By holding archive: whether an intact copy of it is on a tape. */
  private readonly holders = new Map<string, Promise<boolean>>();
  /** By inode that has very many names: what was found under them, so that they are looked at once. */
  private readonly manyNames = new Map<string, HeldContent | undefined>();

  constructor(
    private readonly catalog: Catalog,
    private readonly setId: string,
    private readonly baseId: string,
  ) {}

  /** Adds it to the members of a page of the plan that may have it. */
  async addTo(members: readonly PlannedMember[]): Promise<void> {
    // An empty file has nothing that could be saved.
    const files = members.filter(({ type, size }) => type === 'file' && size > 0);
    const rows = await hashedRowsAt(
      this.catalog,
      this.baseId,
      files.map(({ name }) => toBytes(name)),
    );
    for (const file of files) {
      const row = rows.get(file.name);
      if (row?.size === file.size) file.held = await this.contentOf(row, file);
      if (file.held === undefined && file.nlink > 1) file.held = await this.underOtherName(file);
    }
  }

  /**
   * What a row's archive holds; undefined when no intact copy of that is on a tape. A link must be one still, or the
   * file that it is one to there must be held there too: without that one, no tar brings the link back.
   */
  private async contentOf(row: HashedRow, file: PlannedMember): Promise<HeldContent | undefined> {
    const { setId: set, group } = holderOf(row);
    if (!(await this.isOnTape(set, group))) return undefined;
    const { sha256, tar_offset: offset, link_target: of } = row;
    const content = { set, group, offset, sha256, storedSize: row.stored_size ?? undefined };
    if (of === null) return { ...content, linkTarget: null };
    const target = await holdingOf(this.catalog, this.setId, of);
    const isLink = target?.dev === file.dev && target.ino === file.ino;
    if (!isLink && (target?.held_set !== set || target.held_group !== group)) return undefined;
    const isNewName = (await tarOffsetOf(this.catalog, set, of)) === offset;
    const held = { ...content, linkTarget: fromBytes(of) };
    return isNewName ? { ...held, isNewName } : held;
  }

  /** What the base has of a file under another of its names: it has one more link since. */
  private async underOtherName(file: PlannedMember): Promise<HeldContent | undefined> {
    const inode = `${file.dev}:${file.ino}`;
    if (this.manyNames.has(inode)) return this.manyNames.get(inode);
    let found: HeldContent | undefined;
    let pages = 0;
    for await (const names of namesOfInode(this.catalog, this.setId, file)) {
      pages += 1;
      found = await this.underOneOf(names, file);
      if (found !== undefined) break;
    }
    if (pages > 1) this.manyNames.set(inode, found);
    return found;
  }

  private async underOneOf(names: Uint8Array[], file: PlannedMember): Promise<HeldContent | undefined> {
    for (const [name, row] of await hashedRowsAt(this.catalog, this.baseId, names)) {
      const held = row.size === file.size ? await this.contentOf(row, file) : undefined;
      if (held === undefined) continue;
      const { linkTarget } = held;
      if (linkTarget === null) return { ...held, linkTarget: name, isNewName: true };
      const offset = await tarOffsetOf(this.catalog, held.set, toBytes(linkTarget));
      if (offset !== null) return { ...held, offset, isNewName: true };
    }
    return undefined;
  }

  /** False for an archive that is no longer on tape or was found damaged: it cannot be relied on. */
  private isOnTape(setId: string, group: number): Promise<boolean> {
    const key = `${setId} ${group}`;
    let known = this.holders.get(key);
    if (known === undefined) {
      known = goodCopies(this.catalog, setId, group).then((copies) => copies.length > 0);
      this.holders.set(key, known);
    }
    return known;
  }
}
