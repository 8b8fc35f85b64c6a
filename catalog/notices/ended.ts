import type { Catalog } from '../open-catalog.js';
import { isRebuilt } from '../rebuilt/rebuilt-sets.js';
import type { RetrievalRow, SetRow } from '../rows.js';
import type { SetState } from '../schema/set-tables.js';

/** Sets that have ended, other than by a command, since a time in milliseconds since 1970. */
export async function setsEndedSince(db: Catalog, since: number): Promise<SetRow[]> {
  const ends: SetState[] = ['completed', 'completed_with_skips', 'failed'];
  const sets = await db
    .selectFrom('sets')
    .selectAll()
    .where('state', 'in', ends)
    .where('finished_at', '>', since)
    .orderBy('finished_at')
    .execute();
  return sets.filter((set) => !isRebuilt(set));
}

/** Verifies and copies that have ended since then without success; whoever asked for a restore follows it. */
export function readingsFailedSince(db: Catalog, since: number): Promise<RetrievalRow[]> {
  return db
    .selectFrom('retrievals')
    .selectAll()
    .where('kind', 'in', ['verify', 'copy'])
    .where('state', 'in', ['failed', 'incomplete'])
    .where('finished_at', '>', since)
    .orderBy('finished_at')
    .execute();
}

/** The successes of the sets of one tree. */
export interface TreeSuccesses {
  host: string | null;
  /** JSON of its sources, as in `sets`. */
  sources: string;
  count: number;
  /** When the newest of them was begun, in milliseconds since 1970. */
  newest: number;
}

/** The successes of every tree, also of sets that have expired since. */
export function successesOfTrees(db: Catalog): Promise<TreeSuccesses[]> {
  const successes: SetState[] = ['completed', 'completed_with_skips', 'expired'];
  return db
    .selectFrom('sets')
    .select((eb) => [
      'host',
      'sources',
      eb.fn.countAll<number>().as('count'),
      eb.fn.max<number>('created_at').as('newest'),
    ])
    .where('state', 'in', successes)
    .groupBy(['host', 'sources'])
    .execute();
}
