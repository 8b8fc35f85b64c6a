import { firstPathOf, holderOf, type FirstPathRow } from '../catalog/files/files.js';
import type { BatchWriter } from '../catalog/files/write-batch.js';
import type { Catalog } from '../catalog/open-catalog.js';
import { toBytes } from '../entry/byte-string.js';
import type { BaseSet, Held } from './base-set.js';

/** Earlier names of what has several in a set, for links from one group into another. */
export class EarlierNames {
  /** First path of each inode that was asked for since the last batch. */
  private readonly firstPaths = new Map<string, { path: Uint8Array; holder: string | undefined }>();

  constructor(
    private readonly catalog: Catalog,
    private readonly setId: string,
    private readonly base: BaseSet | undefined,
    private readonly writer: BatchWriter,
  ) {}

  /**
   * The first path of a file's inode, unless it is certain that the same archive holds both.
   *
   * @param group that the file was assigned to; undefined for what is no file: no archive holds that as a link.
   */
  async of(
    inode: string,
    name: string,
    group: number | undefined,
    held: Held | undefined,
  ): Promise<Uint8Array | null> {
    const own = { set_id: this.setId, held_set: null, held_group: null, link_target: null };
    const state = held === undefined ? 'planned' : 'unchanged';
    const holder =
      group === undefined
        ? undefined
        : this.certainHolder({ ...own, group_no: group, ...held, state, path: toBytes(name) });
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

  /** Called once a batch is handed to the writer: from now on the catalog has these names. */
  forget(): void {
    this.firstPaths.clear();
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
}
