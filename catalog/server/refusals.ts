import type { RefusalRow } from '../rows.js';
import type { Catalog } from '../open-catalog.js';

/** Kinds of messages that were refused because nothing proves that they come from this installation. */
export type RefusedKind = 'start' | 'update' | 'signal' | 'cancel' | 'step' | 'answer';

/** What was refused since the last record. */
export interface Refusals {
  kind: RefusedKind;
  times: number;
  /** The last one: the subject of a sentence, the workflow concerned, and the time in milliseconds since 1970. */
  what: string;
  workflowId: string;
  runId: string;
  at: number;
}

/** Adds to the counts of refused messages: one row per kind, however many are sent. */
export async function recordRefusals(catalog: Catalog, refusals: readonly Refusals[]): Promise<void> {
  await catalog.transaction().execute(async (tx) => {
    for (const { kind, times, what, workflowId, runId, at } of refusals) {
      const last = { what, workflow_id: workflowId, run_id: runId, last_at: at };
      await tx
        .insertInto('refusals')
        .values({ kind, times, first_at: at, ...last })
        .onConflict((conflict) =>
          conflict.column('kind').doUpdateSet((eb) => ({
            ...last,
            times: eb('refusals.times', '+', times),
          })),
        )
        .execute();
    }
  });
}

/** What was refused so far, latest first. */
export function listRefusals(db: Catalog): Promise<RefusalRow[]> {
  return db.selectFrom('refusals').selectAll().orderBy('last_at', 'desc').execute();
}
