import type { Catalog } from '../open-catalog.js';
import { rebuiltOptions } from '../rebuilt/rebuilt-sets.js';
import { finalSetStates } from '../schema/set-tables.js';
import { findSet } from '../sets/sets.js';

/** Rows per transaction when a set's files are deleted; all other transactions wait for it. */
const filesPerStep = 5000;

/**
 * Deletes the files, groups and archives of sets that have nothing left on tape or in staging, in small transactions;
 * the sets become `expired`. The set and its events stay; if another copy turns up, `tape catalog` reads it as a set
 * known only from tapes. If killed in between, the next call continues.
 */
export async function purgeErased(catalog: Catalog): Promise<void> {
  const gone = await catalog.transaction().execute(async (tx) => {
    await tx
      .updateTable('sets')
      .set({ state: 'expired' })
      .where('erased_at', 'is not', null)
      .where('state', 'in', finalSetStates)
      .where((eb) =>
        eb.not(
          eb.or([
            eb.exists(
              eb
                .selectFrom('copies')
                .select('copy_no')
                .whereRef('copies.set_id', '=', 'sets.id')
                .where('copies.state', '=', 'committed'),
            ),
            eb.exists(
              eb
                .selectFrom('groups')
                .select('no')
                .whereRef('groups.set_id', '=', 'sets.id')
                .where('groups.reserved', '>', 0),
            ),
          ]),
        ),
      )
      .execute();
    return (
      tx
        .selectFrom('sets')
        .select('id')
        .where('state', '=', 'expired')
        .where((eb) =>
          eb.or([
            eb.exists(eb.selectFrom('groups').select('no').whereRef('groups.set_id', '=', 'sets.id')),
            eb.exists(
              eb
                .selectFrom('layers')
                .innerJoin('chains', 'chains.layer', 'layers.no')
                .select('no')
                .whereRef('layers.set_id', '=', 'sets.id'),
            ),
          ]),
        )
        // The newest first: what a set lies on goes after it.
        .orderBy('id', 'desc')
        .execute()
    );
  });
  for (const { id } of gone) {
    while (await forgetFiles(catalog, id));
    await catalog.transaction().execute(async (tx) => {
      if (!(await isExpired(tx, id))) return;
      for (const table of ['copies', 'archives', 'end_marks', 'set_lists'] as const)
        await tx.deleteFrom(table).where('set_id', '=', id).execute();
      if (!(await isGate(tx, id))) await tx.deleteFrom('groups').where('set_id', '=', id).execute();
      const forgotten = { options: rebuiltOptions, end_marked: 0, end_facts: null };
      await tx.updateTable('sets').set(forgotten).where('id', '=', id).execute();
    });
  }
}

/** False when `tape catalog` has found a copy of the set meanwhile. */
async function isExpired(tx: Catalog, setId: string): Promise<boolean> {
  return (await findSet(tx, setId))?.state === 'expired';
}

/** True when the groups of a set say what of the layers below it counts in others. */
async function isGate(tx: Catalog, setId: string): Promise<boolean> {
  const upper = await tx
    .selectFrom('chains')
    .innerJoin('layers', 'layers.no', 'chains.part')
    .select('layer')
    .where('layers.set_id', '=', setId)
    .where('gated', '=', 1)
    .whereRef('layer', '!=', 'part')
    .limit(1)
    .executeTakeFirst();
  return upper !== undefined;
}

/**
 * Deletes the first rows of a set's files, and at last its names and its place below other sets. Nothing of a set on
 * which others lie: they show its rows as theirs.
 *
 * @returns false when there were none left.
 */
async function forgetFiles(catalog: Catalog, setId: string): Promise<boolean> {
  return catalog.transaction().execute(async (tx) => {
    const own = await tx.selectFrom('layers').select('no').where('set_id', '=', setId).executeTakeFirst();
    if (own === undefined || !(await isExpired(tx, setId))) return false;
    const { no } = own;
    const upper = await tx
      .selectFrom('chains')
      .select('layer')
      .where('part', '=', no)
      .where('layer', '!=', no)
      .limit(1)
      .executeTakeFirst();
    if (upper !== undefined) return false;
    const rows = await tx
      .selectFrom('entries')
      .select('path')
      .where('layer', '=', no)
      .orderBy('path')
      .limit(filesPerStep)
      .execute();
    const last = rows.at(-1);
    if (last !== undefined) {
      await tx.deleteFrom('entries').where('layer', '=', no).where('path', '<=', last.path).execute();
      return true;
    }
    for (const table of ['names', 'chains'] as const)
      await tx.deleteFrom(table).where('layer', '=', no).execute();
    return false;
  });
}
