import type { Catalog } from '../open-catalog.js';
import type { RetrievalState } from '../schema/retrieval-tables.js';
import { finalSetStates } from '../schema/set-tables.js';

const unfinished: readonly RetrievalState[] = ['running', 'waiting_for_tape'];

/** Bytes of staging held by copies from tape to tape. */
async function stagedByCopies(db: Catalog): Promise<number> {
  const { held } = await db
    .selectFrom('retrieval_archives')
    .innerJoin('retrievals', 'retrievals.id', 'retrieval_archives.retrieval_id')
    .select((eb) => eb.fn.sum<number | null>('retrieval_archives.reserved').as('held'))
    // A literal, because SQLite would not use the partial index otherwise.
    .where((eb) => eb('retrieval_archives.reserved', '>', eb.lit(0)))
    .where('retrieval_archives.state', '=', 'pending')
    .where('retrievals.state', 'in', unfinished)
    .executeTakeFirstOrThrow();
  return Number(held ?? 0);
}

/** Bytes of staging held by groups of unfinished sets, except one. Parked groups do not count. */
async function stagedBySets(db: Catalog, except?: { setId: string; group: number }): Promise<number> {
  let query = db
    .selectFrom('groups')
    .innerJoin('sets', 'sets.id', 'groups.set_id')
    .select((eb) => eb.fn.sum<number | null>('groups.reserved').as('held'))
    .where((eb) => eb('groups.reserved', '>', eb.lit(0)))
    .where('groups.state', '!=', 'failed')
    .where('sets.state', 'not in', finalSetStates);
  if (except !== undefined) {
    const { setId, group } = except;
    query = query.where((eb) =>
      eb.not(eb.and([eb('groups.set_id', '=', setId), eb('groups.no', '=', group)])),
    );
  }
  const { held } = await query.executeTakeFirstOrThrow();
  return Number(held ?? 0);
}

/**
 * Reserves staging for an archive to be copied, if it fits the budget; one above the whole budget fits when nothing
 * else is staged.
 * @returns false when it does not fit now.
 */
export async function reserveForCopy(
  catalog: Catalog,
  archive: { id: string; no: number; bytes: number },
  budget: number,
): Promise<boolean> {
  return catalog.transaction().execute(async (tx) => {
    const row = await tx
      .selectFrom('retrieval_archives')
      .select('reserved')
      .where('retrieval_id', '=', archive.id)
      .where('no', '=', archive.no)
      .executeTakeFirstOrThrow();
    const others = (await stagedBySets(tx)) + (await stagedByCopies(tx)) - row.reserved;
    if (others > 0 && others + archive.bytes > budget) return false;
    await tx
      .updateTable('retrieval_archives')
      .set({ reserved: archive.bytes })
      .where('retrieval_id', '=', archive.id)
      .where('no', '=', archive.no)
      .execute();
    return true;
  });
}

/** Releases the staging reserved for one archive of a copy, or for all. */
export async function unreserveForCopy(db: Catalog, id: string, no?: number): Promise<void> {
  let query = db.updateTable('retrieval_archives').set({ reserved: 0 }).where('retrieval_id', '=', id);
  if (no !== undefined) query = query.where('no', '=', no);
  await query.execute();
}

/** True when that many bytes of a group fit the budget besides what all others hold. */
export async function fitsBudget(
  db: Catalog,
  ref: { setId: string; group: number },
  bytes: number,
  budget: number,
): Promise<boolean> {
  return (await stagedBySets(db, ref)) + (await stagedByCopies(db)) + bytes <= budget;
}

/** Bytes that count in the budget now. */
export async function stagedBytes(db: Catalog): Promise<number> {
  return (await stagedBySets(db)) + (await stagedByCopies(db));
}
