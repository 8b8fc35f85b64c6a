import { sql } from 'kysely';
import { entryColumns, layerFor } from '../files/entry-rows.js';
import { isRoot } from '../files/fold-root.js';
import type { Catalog } from '../open-catalog.js';

/**
 * Before rows of a set are read from tapes, in the caller's transaction: if it had expired, and other sets were folded
 * on to it, its rows stay as they are for these, in a layer of no set.
 */
export async function keepRoot(tx: Catalog, setId: string): Promise<void> {
  const own = await tx.selectFrom('layers').select('no').where('set_id', '=', setId).executeTakeFirst();
  if (own === undefined || !(await isRoot(tx, own.no))) return;
  const kept = await layerFor(tx, `${setId} kept`);
  const columnsOf = { entries: entryColumns.slice(1), names: ['group_no', 'first', 'last', 'names'] };
  for (const [table, columns] of Object.entries(columnsOf)) {
    const others = sql.join(columns.map((column) => sql.ref(column)));
    await sql`insert into ${sql.table(table)} (layer, ${others})
      select ${sql.lit(kept)}, ${others} from ${sql.table(table)} where layer = ${own.no}`.execute(tx);
  }
  await tx
    .updateTable('chains')
    .set({ part: kept })
    .where('part', '=', own.no)
    .where('through', 'is not', null)
    .execute();
  const uppers = await tx.selectFrom('chains').select('layer').where('part', '=', own.no).execute();
  if (uppers.some(({ layer }) => layer !== own.no)) return;
  for (const table of ['entries', 'names', 'chains'] as const)
    await tx.deleteFrom(table).where('layer', '=', own.no).execute();
}
