import type { Catalog } from '../open-catalog.js';
import { recordEvents } from '../groups/events.js';

/** How often something was taken up by itself in the last day without getting on; times are milliseconds since 1970. */
export interface TakenUp {
  times: number;
  /** The last time; null: never. */
  at: number | null;
  /** It was said that it is left alone, and nothing has happened since. */
  leftAlone: boolean;
}

const dayMs = 86_400_000;

/** Of a set: the times since its last archive was committed. */
export async function setTakenUp(db: Catalog, setId: string, now: number): Promise<TakenUp> {
  const rows = await db
    .selectFrom('events')
    .select(['stage', 'at'])
    .where('set_id', '=', setId)
    .where('stage', 'in', ['committed', 'taken_up', 'left_alone'])
    .where('at', '>', now - dayMs)
    .orderBy('id', 'desc')
    .limit(50)
    .execute();
  const progress = rows.findIndex(({ stage }) => stage === 'committed');
  const since = progress < 0 ? rows : rows.slice(0, progress);
  const taken = since.filter(({ stage }) => stage === 'taken_up');
  return { times: taken.length, at: taken[0]?.at ?? null, leftAlone: since[0]?.stage === 'left_alone' };
}

/** Notes that a set was taken up, or is left alone, with the reason. */
export async function recordTakingUp(
  db: Catalog,
  setId: string,
  stage: 'taken_up' | 'left_alone',
  detail: string,
): Promise<void> {
  await recordEvents(db, [{ setId, group: null, stage, detail }]);
}
