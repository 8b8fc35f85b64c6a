import type { Catalog } from '../open-catalog.js';
import type { TapeRow } from '../rows.js';
import type { TapeState } from '../schema/tape-tables.js';

/** Every tape, by name. */
export async function listTapes(db: Catalog): Promise<TapeRow[]> {
  return db.selectFrom('tapes').selectAll().orderBy('name').execute();
}

export async function tapeByUuid(db: Catalog, uuid: string): Promise<TapeRow | undefined> {
  return db.selectFrom('tapes').selectAll().where('uuid', '=', uuid).executeTakeFirst();
}

export async function tapeByName(db: Catalog, name: string): Promise<TapeRow | undefined> {
  return db.selectFrom('tapes').selectAll().where('name', '=', name).executeTakeFirst();
}

/** The tape that is being erased and will get a label with that UUID. */
export async function tapeErasedTo(db: Catalog, uuid: string): Promise<TapeRow | undefined> {
  return db.selectFrom('tapes').selectAll().where('erased_to', '=', uuid).executeTakeFirst();
}

/** Adds a labelled tape. */
export async function insertTape(db: Catalog, tape: TapeRow): Promise<void> {
  await db.insertInto('tapes').values(tape).execute();
}

/** Records what a check of a tape found; its state is changed only by `transitionTape`. */
export async function updateTape(
  db: Catalog,
  uuid: string,
  change: {
    capacity?: number;
    free?: number;
  },
): Promise<void> {
  await db
    .updateTable('tapes')
    .set({ ...change, seen_at: Date.now() })
    .where('uuid', '=', uuid)
    .execute();
}

/** Capacity in bytes and LTFS volume of each tape of a pool, except those in some states. */
export async function capacitiesIn(
  db: Catalog,
  pool: string,
  except: readonly TapeState[],
): Promise<{ capacity: number; volume: string | null }[]> {
  return db
    .selectFrom('tapes')
    .select(['capacity', 'volume'])
    .where('pool', '=', pool)
    .where('state', 'not in', except)
    .execute();
}
