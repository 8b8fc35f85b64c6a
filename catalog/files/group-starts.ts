import type { Catalog } from '../open-catalog.js';
import { lastBegun } from './last-begun.js';

/** Where the groups of a set begin; its last one ends where its scan was. */
export class GroupStarts {
  private constructor(
    private readonly groups: readonly { no: number; first_path: Uint8Array; last_path: Uint8Array }[],
  ) {}

  static async of(db: Catalog, setId: string): Promise<GroupStarts> {
    const columns = ['no', 'first_path', 'last_path'] as const;
    return new GroupStarts(
      await db.selectFrom('groups').select(columns).where('set_id', '=', setId).orderBy('no').execute(),
    );
  }

  /** The group of an unchanged entry; undefined for one that the scan has not come to. */
  at(path: Uint8Array): number | undefined {
    const last = this.groups.at(-1);
    if (last === undefined || Buffer.compare(path, last.last_path) > 0) return undefined;
    return lastBegun(this.groups, ({ first_path: first }) => first, path)?.no;
  }
}
