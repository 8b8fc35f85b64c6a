import type { RefusalRow } from '../rows.js';
import type { Catalog } from '../open-catalog.js';

/** What was not obeyed because nothing proves that it comes from this installation. */
export type RefusedKind = 'start' | 'update' | 'signal' | 'cancel' | 'step' | 'answer';

/** What was refused since it was written down last. */
export interface Refusals {
  kind: RefusedKind;
  times: number;
  /** The last one: a sentence's subject, the workflow that it was about, and when, in milliseconds since 1970. */
  what: string;
  workflowId: string;
  runId: string;
  at: number;
}

/** Adds to what is known of refused messages: a row for each kind, whatever somebody sends. */
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

/** What was refused so far, the latest first. */
export function listRefusals(db: Catalog): Promise<RefusalRow[]> {
  return db.selectFrom('refusals').selectAll().orderBy('last_at', 'desc').execute();
}
