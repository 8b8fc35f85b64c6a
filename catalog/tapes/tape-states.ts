import { english } from '../../messages/sentence.js';
import type { Catalog } from '../open-catalog.js';
import type { TapeState } from '../schema/tape-tables.js';
import { tapeByUuid } from './tapes.js';
import type { TapeRow } from '../rows.js';

/**
 * All transitions of a tape's state. `fill`: it has no room. `regain`: it has room again. `distrust`: a write failed,
 * or a user distrusts it. `trust`: a user says that it is good. `lose`, `find`: it is gone, or back. `erase`,
 * `relabel`: an erase begins, or ends. `disown`, `adopt`: its label is another installation's, or ours again.
 */
export type TapeTransition =
  'fill' | 'regain' | 'distrust' | 'trust' | 'lose' | 'find' | 'erase' | 'relabel' | 'disown' | 'adopt';

/** A state and why. */
interface StateAndReason {
  state: TapeState;
  reason: string | null;
}

/** A tape's state, and those that it returns to: its state before it was `lost` or `erasing`. */
export interface TapeStatus extends StateAndReason {
  before: StateAndReason[];
}

/** The state after each transition; a state that is not listed does not allow it. `back`: the previous state. */
const moves: Record<TapeTransition, Partial<Record<TapeState, TapeState | 'back'>>> = {
  fill: { usable: 'full', full: 'full' },
  regain: { full: 'usable' },
  distrust: { usable: 'suspect', full: 'suspect', suspect: 'suspect' },
  // The only way out of `suspect` is a user's decision; never for a cartridge that is `read_only`.
  trust: { suspect: 'usable', full: 'usable' },
  lose: { usable: 'lost', full: 'lost', suspect: 'lost', foreign: 'lost', erasing: 'lost' },
  find: { lost: 'back' },
  erase: { usable: 'erasing', full: 'erasing', suspect: 'erasing' },
  relabel: { erasing: 'back' },
  disown: { usable: 'foreign', full: 'foreign' },
  adopt: { foreign: 'usable' },
};

const covers: readonly TapeState[] = ['lost', 'erasing'];

/** For a tape marked by an earlier version, which did not record the previous state. */
const unknownBefore: StateAndReason = { state: 'suspect', reason: english`what it was before is not known` };

/** The status after a transition; undefined when it is not allowed from the current state. */
export function afterTransition(
  { state, reason, before }: TapeStatus,
  step: TapeTransition,
  why: string | null = null,
): TapeStatus | undefined {
  const [under = unknownBefore, ...rest] = before;
  // A lost or erasing tape is distrusted in the state that it returns to.
  if (step === 'distrust' && covers.includes(state)) {
    const worse = afterTransition({ ...under, before: rest }, step, why);
    if (worse === undefined) return undefined;
    const { before: more, ...standing } = worse;
    return { state, reason, before: [standing, ...more] };
  }
  const to = moves[step][state];
  if (to === undefined) return undefined;
  if (to !== 'back')
    return { state: to, reason: why, before: covers.includes(to) ? [{ state, reason }, ...before] : before };
  // A full tape is empty once erased; a suspect one stays suspect.
  if (step === 'relabel' && under.state === 'full') return { state: 'usable', reason: null, before: rest };
  return { ...under, before: rest };
}

/** The status stored in a tape's row. */
function tapeStatusOf({ state, reason, before }: Pick<TapeRow, 'state' | 'reason' | 'before'>): TapeStatus {
  return { state, reason, before: before === null ? [] : (JSON.parse(before) as StateAndReason[]) };
}

/** The columns of a tape's status. */
function tapeStatusColumns({
  state,
  reason,
  before,
}: TapeStatus): Pick<TapeRow, 'state' | 'reason' | 'before'> {
  return { state, reason, before: before.length === 0 ? null : JSON.stringify(before) };
}

/**
 * Makes a transition of a tape's state, if the state in the catalog allows it at that moment.
 * @returns the tape afterwards; undefined when the transition is not allowed: nothing was changed.
 */
export async function transitionTape(
  db: Catalog,
  uuid: string,
  step: TapeTransition,
  why: string | null = null,
): Promise<TapeRow | undefined> {
  for (;;) {
    const row = await tapeByUuid(db, uuid);
    const next = row === undefined ? undefined : afterTransition(tapeStatusOf(row), step, why);
    if (row === undefined || next === undefined || (step === 'trust' && row.read_only === 1))
      return undefined;
    // If another process has changed it since it was read, read it again.
    const moved = await db
      .updateTable('tapes')
      .set({ ...tapeStatusColumns(next), seen_at: Date.now() })
      .where('uuid', '=', uuid)
      .where('state', '=', row.state)
      .where('before', 'is not distinct from', row.before)
      .where('read_only', '=', row.read_only)
      .returningAll()
      .executeTakeFirst();
    if (moved !== undefined) return moved;
  }
}

/** Marks a cartridge that LTFS has made read-only for good: it becomes suspect, and no `trust` makes it usable. */
export async function markReadOnly(db: Catalog, uuid: string, why: string): Promise<TapeRow | undefined> {
  await db.updateTable('tapes').set({ read_only: 1 }).where('uuid', '=', uuid).execute();
  return (await transitionTape(db, uuid, 'distrust', why)) ?? tapeByUuid(db, uuid);
}

/** Clears the mark when a check shows that the cartridge takes writes again; its state stays. */
export async function clearReadOnly(db: Catalog, uuid: string): Promise<void> {
  await db.updateTable('tapes').set({ read_only: 0 }).where('uuid', '=', uuid).execute();
}
