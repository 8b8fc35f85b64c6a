import { sql } from 'kysely';
import { toBytes } from '../../entry/byte-string.js';
import type { Catalog } from '../open-catalog.js';
import { listSets } from '../sets/sets.js';

/** The newest set with one of these members, or something below it, in a committed archive; undefined: none. */
export async function newestSetWith(db: Catalog, names: readonly string[]): Promise<string | undefined> {
  for (const { id, scanned } of await listSets(db)) {
    for (const name of names) {
      const row = await db
        .selectFrom('files')
        .innerJoin('copies', (join) =>
          join
            .on('copies.set_id', '=', sql<string>`coalesce(files.held_set, files.set_id)`)
            .on('copies.group_no', '=', sql<number>`coalesce(files.held_group, files.group_no)`),
        )
        .select('files.set_id')
        .where('files.set_id', '=', id)
        .where('copies.state', '=', 'committed')
        .where('files.tar_offset', 'is not', null)
        // What earlier sets have on tape says nothing about the progress of this set's scan.
        .$if(scanned === 0, (query) => query.where('files.state', '!=', 'unchanged'))
        .where((eb) =>
          eb.or([
            eb('files.path', '=', toBytes(name)),
            // A folder's contents sort between `name/` and `name0`.
            eb.and([eb('files.path', '>=', toBytes(`${name}/`)), eb('files.path', '<', toBytes(`${name}0`))]),
          ]),
        )
        .limit(1)
        .executeTakeFirst();
      if (row !== undefined) return id;
    }
  }
  return undefined;
}
