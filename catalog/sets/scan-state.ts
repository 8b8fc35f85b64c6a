import { layerOf } from '../files/entry-rows.js';
import type { ExcludeRule } from '../../entry/excludes.js';
import { newTally, type Tally } from '../../entry/tally.js';
import type { Catalog } from '../open-catalog.js';
import type { GroupRow, SetRow } from '../rows.js';
import type { Holding } from './holdings.js';
import { takenOf } from './taken-options.js';

/** The last group made by the scan; undefined when there is none. */
export async function lastGroup(db: Catalog, setId: string): Promise<GroupRow | undefined> {
  return db
    .selectFrom('groups')
    .selectAll()
    .where('set_id', '=', setId)
    .orderBy('no', 'desc')
    .limit(1)
    .executeTakeFirst();
}

/** Device and inode of hard-linked files to be stored, from a path on. */
export async function linkedInodes(
  db: Catalog,
  setId: string,
  from: Uint8Array,
): Promise<{ dev: string; ino: string }[]> {
  return db
    .selectFrom('layer_files')
    .select(['dev', 'ino'])
    .where('layer', '=', layerOf(setId))
    .where('path', '>=', from)
    .where((eb) => eb('nlink', '>', eb.lit(1)))
    .where('state', '!=', 'unchanged')
    .execute();
}

/** Entries and bytes of all groups made by the scan so far. */
export async function plannedTotals(db: Catalog, setId: string): Promise<{ entries: number; bytes: number }> {
  const { entries, bytes } = await db
    .selectFrom('groups')
    .select((eb) => [
      eb.fn.sum<number | null>('entries').as('entries'),
      eb.fn.sum<number | null>('bytes').as('bytes'),
    ])
    .where('set_id', '=', setId)
    .executeTakeFirstOrThrow();
  return { entries: Number(entries ?? 0), bytes: Number(bytes ?? 0) };
}

/**
 * Records that every source of a set was walked, what was left out, and what each source holds, if one walk saw all of
 * it. The set's list of paths is not needed any more.
 */
export async function recordScanned(
  db: Catalog,
  setId: string,
  leftOut: readonly string[],
  tally?: Tally,
  holdings?: readonly Holding[],
): Promise<void> {
  const held = holdings === undefined ? null : JSON.stringify(holdings);
  await db.transaction().execute(async (tx) => {
    if (tally !== undefined) await recordTally(tx, setId, tallyTexts({ ...tally, leftOut: [...leftOut] }));
    else await recordTally(tx, setId, { left_out: JSON.stringify(leftOut) });
    await tx.updateTable('sets').set({ scanned: 1, holdings: held }).where('id', '=', setId).execute();
    await tx.deleteFrom('set_lists').where('set_id', '=', setId).execute();
  });
}

/** A tally as the set's row has it. */
export interface TallyTexts {
  left_out: string;
  tally?: string;
}

export function tallyTexts({ leftOut, ...counts }: Tally): TallyTexts {
  const counted = counts.excludes.length + counts.present.length + counts.caches;
  const hasCounts = counted > 0 || counts.sockets !== undefined;
  return { left_out: JSON.stringify(leftOut), ...(hasCounts ? { tally: JSON.stringify(counts) } : {}) };
}

/** Records what the scan has left out so far: in the transaction of the last entry before which it was. */
export async function recordTally(tx: Catalog, setId: string, texts: TallyTexts): Promise<void> {
  await tx.updateTable('sets').set(texts).where('id', '=', setId).execute();
}

/** What the scan of a set has left out so far. */
export function tallyOf(set: Pick<SetRow, 'tally' | 'left_out' | 'excludes' | 'taken'>): Tally {
  const leftOut = JSON.parse(set.left_out) as string[];
  if (set.tally !== null) return { ...(JSON.parse(set.tally) as Omit<Tally, 'leftOut'>), leftOut };
  const { length } = JSON.parse(set.excludes) as ExcludeRule[];
  return { ...newTally(length, takenOf(set)), leftOut };
}
