import type { Catalog } from '../open-catalog.js';
import { layerOf } from '../files/entry-rows.js';
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
      if (!(await saysOfOthers(tx, id))) await tx.deleteFrom('groups').where('set_id', '=', id).execute();
      const forgotten = { options: rebuiltOptions, end_marked: 0, end_facts: null };
      await tx.updateTable('sets').set(forgotten).where('id', '=', id).execute();
    });
  }
  for (const no of await unusedRoots(catalog)) while (await forgetRoot(catalog, no));
}

/** False when `tape catalog` has found a copy of the set meanwhile. */
async function isExpired(tx: Catalog, setId: string): Promise<boolean> {
  return (await findSet(tx, setId))?.state === 'expired';
}

/**
 * True when the groups of a set say what counts in others: of the layers below it, or of the root that it was folded
 * onto.
 */
async function saysOfOthers(tx: Catalog, setId: string): Promise<boolean> {
  const own = layerOf(setId);
  const upper = await tx
    .selectFrom('chains')
    .select('layer')
    .where('layer', '!=', own)
    .where((eb) => eb.or([eb.and([eb('part', '=', own), eb('gated', '=', 1)]), eb('through', '=', own)]))
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
    if (await hasUpper(tx, no)) return false;
    if (await forgetRows(tx, no)) return true;
    for (const table of ['names', 'offsets', 'chains'] as const)
      await tx.deleteFrom(table).where('layer', '=', no).execute();
    return false;
  });
}

/** True when other sets lie on a layer. */
async function hasUpper(tx: Catalog, layer: number): Promise<boolean> {
  const upper = await tx
    .selectFrom('chains')
    .select('layer')
    .where('part', '=', layer)
    .where('layer', '!=', layer)
    .limit(1)
    .executeTakeFirst();
  return upper !== undefined;
}

/** Deletes the first rows of a layer; false when there were none left. */
async function forgetRows(tx: Catalog, layer: number): Promise<boolean> {
  const rows = await tx
    .selectFrom('entries')
    .select('path')
    .where('layer', '=', layer)
    .orderBy('path')
    .limit(filesPerStep)
    .execute();
  const last = rows.at(-1);
  if (last === undefined) return false;
  await tx.deleteFrom('entries').where('layer', '=', layer).where('path', '<=', last.path).execute();
  return true;
}

/** Layers with rows that `keepRoot` kept for sets of which none is left. */
async function unusedRoots(db: Catalog): Promise<number[]> {
  const rows = await db
    .selectFrom('layers')
    .select('no')
    .where(({ not, exists, selectFrom, lit }) =>
      not(exists(selectFrom('sets').select(lit(1).as('one')).whereRef('sets.id', '=', 'layers.set_id'))),
    )
    .where(({ not, exists, selectFrom, lit }) =>
      not(exists(selectFrom('chains').select(lit(1).as('one')).whereRef('part', '=', 'layers.no'))),
    )
    .where(({ exists, selectFrom, lit }) =>
      exists(selectFrom('entries').select(lit(1).as('one')).whereRef('layer', '=', 'layers.no')),
    )
    .execute();
  return rows.map(({ no }) => no);
}

async function forgetRoot(catalog: Catalog, no: number): Promise<boolean> {
  return catalog.transaction().execute(async (tx) => {
    if (await hasUpper(tx, no)) return false;
    if (await forgetRows(tx, no)) return true;
    await tx.deleteFrom('names').where('layer', '=', no).execute();
    return false;
  });
}
