import type { Catalog } from '../open-catalog.js';
import { recordEvents } from '../groups/events.js';

/**
 * How often something was resumed automatically in the last day without making progress; times are milliseconds since
 * 1970.
 */
export interface ResumeAttempts {
  times: number;
  /** The last time; null: never. */
  at: number | null;
  /** It is left alone since the last attempt. */
  leftAlone: boolean;
}

const dayMs = 86_400_000;

/** Of a set: the times since its last copy was committed. */
export async function setResumeAttempts(db: Catalog, setId: string, now: number): Promise<ResumeAttempts> {
  const set = await db
    .selectFrom('sets')
    .select(['taken_up', 'taken_up_at', 'left_alone'])
    .where('id', '=', setId)
    .executeTakeFirstOrThrow();
  const { taken_up: times, taken_up_at: at, left_alone: leftAlone } = set;
  if (at === null || at <= now - dayMs) return { times: 0, at, leftAlone: false };
  return { times, at, leftAlone: leftAlone === 1 };
}

/** Records that a set was resumed, or is left alone, with the reason. */
export async function recordResume(
  catalog: Catalog,
  setId: string,
  stage: 'taken_up' | 'left_alone',
  detail: string,
): Promise<void> {
  const now = Date.now();
  await catalog.transaction().execute(async (tx) => {
    const { times } = await setResumeAttempts(tx, setId, now);
    const change =
      stage === 'left_alone' ? { left_alone: 1 } : { taken_up: times + 1, taken_up_at: now, left_alone: 0 };
    await tx.updateTable('sets').set(change).where('id', '=', setId).execute();
    await recordEvents(tx, [{ setId, group: null, stage, detail }], now);
  });
}

/** A set has made progress: earlier resumes count no longer. Part of the caller's transaction. */
export async function forgetResumes(tx: Catalog, setId: string): Promise<void> {
  await tx
    .updateTable('sets')
    .set({ taken_up: 0, left_alone: 0 })
    .where('id', '=', setId)
    .where('taken_up', '>', 0)
    .execute();
}
