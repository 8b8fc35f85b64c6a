import { recordEvents } from '../groups/events.js';
import type { Catalog } from '../open-catalog.js';
import { finalSetStates, type SetState } from '../schema/set-tables.js';
import { setNamed } from './sets.js';

/*
 * The state of a set that runs here. Two others follow from what is on tape: `expired` (`tapes/purge-erased.ts`), and
 * that of a set read from tapes, which never runs (`rebuilt/rebuilt-state.ts`).
 */

/** States of a set that has not ended. */
const unfinishedSetStates: readonly SetState[] = ['scanning', 'running', 'waiting_for_tape', 'paused'];

/** States in which `cancel` ends a set, or discards what is left of it in staging. */
export const cancellableSetStates: readonly SetState[] = [...unfinishedSetStates, 'failed', 'cancelled'];

interface RecordedWhen {
  only?: readonly SetState[];
  quietly?: boolean;
  also?: ((tx: Catalog) => Promise<void>) | undefined;
}

/**
 * Records a set's state, with an event if it changed. A set that has ended stays as it is, however late a step of its
 * run or a command is; only `reopenSet` begins it again.
 *
 * @param when.only the states in which it is recorded. Default: those of a set that has not ended.
 * @param when.quietly no event where only the reason is another.
 * @param when.also done in the same transaction, if the state was recorded.
 * @returns the set's state now.
 */
export async function recordSetState(
  catalog: Catalog,
  setId: string,
  state: SetState,
  reason: string | null,
  { only = unfinishedSetStates, quietly = false, also }: RecordedWhen = {},
): Promise<SetState> {
  return catalog.transaction().execute(async (tx) => {
    const before = await setNamed(tx, setId);
    if (!only.includes(before.state)) return before.state;
    if (before.state === state && before.reason === reason) return state;
    const finished = finalSetStates.includes(state) ? Date.now() : null;
    await tx
      .updateTable('sets')
      .set({ state, reason, finished_at: finished })
      .where('id', '=', setId)
      .execute();
    if (!quietly || before.state !== state)
      await recordEvents(tx, [{ setId, group: null, stage: state, detail: reason ?? undefined }]);
    await also?.(tx);
    return state;
  });
}

/** A set that `retry` or `resume` begins again, whether it had ended or not. */
export async function reopenSet(
  catalog: Catalog,
  setId: string,
  state: 'scanning' | 'running',
): Promise<void> {
  const only = [...cancellableSetStates, 'completed', 'completed_with_skips'] as const;
  await recordSetState(catalog, setId, state, null, { only });
}
