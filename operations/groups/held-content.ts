import { hashedRowsAt } from '../../catalog/sets/base-rows.js';
import { goodCopies } from '../../catalog/copies/other-copy.js';
import { holderOf } from '../../catalog/files/files.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import { fromBytes, toBytes } from '../../entry/byte-string.js';
import type { PlannedMember } from '../../entry/member.js';

/**
 * What the base of a set holds of files that the scan could not be sure of: their inode was changed (a mode, an owner,
 * another link, a `touch`), or is another one (a copy of the disk), but they have the same size. Packing reads such a
 * file first and stores it only when its SHA-256 is another one.
 */
export class HeldContents {
  /** By holding archive: whether an intact copy of it is on a tape. */
  private readonly holders = new Map<string, Promise<boolean>>();

  constructor(
    private readonly catalog: Catalog,
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
      if (row === undefined || row.size !== file.size) continue;
      const { setId: set, group } = holderOf(row);
      if (!(await this.isOnTape(set, group))) continue;
      const linkTarget = row.link_target === null ? null : fromBytes(row.link_target);
      const { sha256, tar_offset: offset, stored_size: storedSize } = row;
      file.held = { set, group, offset, linkTarget, sha256, storedSize: storedSize ?? undefined };
    }
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
