import type { Catalog } from '../open-catalog.js';
import type { TapeState } from '../schema.js';
import { tapeByUuid } from './tapes.js';
import type { TapeRow } from '../rows.js';

/**
 * Everything that happens to a tape's state. `fill`: it has no room. `regain`: it has room again. `distrust`: a write
 * on it failed, or a person said so. `trust`: a person says that it is good. `lose`, `find`: it is gone, and back.
 * `erase`, `relabel`: its erasing begins, and ends. `disown`, `adopt`: its label is another installation's, and is ours
 * again.
 */
export type TapeStep =
  'fill' | 'regain' | 'distrust' | 'trust' | 'lose' | 'find' | 'erase' | 'relabel' | 'disown' | 'adopt';

/** A state and why. */
interface Standing {
  state: TapeState;
  reason: string | null;
}

/** A tape's state, and those that it goes back to: under `lost` what was lost, under `erasing` what is erased. */
export interface TapeStanding extends Standing {
  before: Standing[];
}

/** Where each step leads; a state that is not named stays. `back`: to what it was before. */
const moves: Record<TapeStep, Partial<Record<TapeState, TapeState | 'back'>>> = {
  fill: { usable: 'full', full: 'full' },
  regain: { full: 'usable' },
  distrust: { usable: 'suspect', full: 'suspect', suspect: 'suspect' },
  // The only way out of `suspect`: what was not proven is said by a person. Never of a cartridge that is `read_only`.
  trust: { suspect: 'usable', full: 'usable' },
  lose: { usable: 'lost', full: 'lost', suspect: 'lost', foreign: 'lost', erasing: 'lost' },
  find: { lost: 'back' },
  erase: { usable: 'erasing', full: 'erasing', suspect: 'erasing' },
  relabel: { erasing: 'back' },
  disown: { usable: 'foreign', full: 'foreign' },
  adopt: { foreign: 'usable' },
};

const covers: readonly TapeState[] = ['lost', 'erasing'];

/** Of a tape that an earlier version has marked, which did not note what it was. */
const unknownBefore: Standing = { state: 'suspect', reason: 'what it was before is not known' };

/** What a step makes of a tape's state; undefined when it may not be made from there, and nothing changes. */
export function afterStep(
  { state, reason, before }: TapeStanding,
  step: TapeStep,
  why: string | null = null,
): TapeStanding | undefined {
  const [under = unknownBefore, ...rest] = before;
  // What is lost or being erased is distrusted below that.
  if (step === 'distrust' && covers.includes(state)) {
    const worse = afterStep({ ...under, before: rest }, step, why);
    if (worse === undefined) return undefined;
    const { before: more, ...standing } = worse;
    return { state, reason, before: [standing, ...more] };
  }
  const to = moves[step][state];
  if (to === undefined) return undefined;
  if (to !== 'back')
    return { state: to, reason: why, before: covers.includes(to) ? [{ state, reason }, ...before] : before };
  // A tape that was full is empty when it is erased; one that was suspect is no better for it.
  if (step === 'relabel' && under.state === 'full') return { state: 'usable', reason: null, before: rest };
  return { ...under, before: rest };
}

/** What is noted of a tape's state. */
export function standingOf({
  state,
  reason,
  before,
}: Pick<TapeRow, 'state' | 'reason' | 'before'>): TapeStanding {
  return { state, reason, before: before === null ? [] : (JSON.parse(before) as Standing[]) };
}

/** The columns of a tape's state. */
export function standingColumns({
  state,
  reason,
  before,
}: TapeStanding): Pick<TapeRow, 'state' | 'reason' | 'before'> {
  return { state, reason, before: before.length === 0 ? null : JSON.stringify(before) };
}

/**
 * Makes a step of a tape's state, if it may be made from the state that the catalog has at that moment.
 * @returns the tape as it is then; undefined when the step may not be made, and nothing was changed.
 */
export async function moveTape(
  db: Catalog,
  uuid: string,
  step: TapeStep,
  why: string | null = null,
): Promise<TapeRow | undefined> {
  for (;;) {
    const row = await tapeByUuid(db, uuid);
    const next = row === undefined ? undefined : afterStep(standingOf(row), step, why);
    if (row === undefined || next === undefined || (step === 'trust' && row.read_only === 1))
      return undefined;
    // Another process may have moved it since it was read: then it is looked at anew.
    const moved = await db
      .updateTable('tapes')
      .set({ ...standingColumns(next), seen_at: Date.now() })
      .where('uuid', '=', uuid)
      .where('state', '=', row.state)
      .where('before', 'is', row.before)
      .where('read_only', '=', row.read_only)
      .returningAll()
      .executeTakeFirst();
    if (moved !== undefined) return moved;
  }
}

/** A cartridge that LTFS has made read-only for good: it is suspect for that reason, and no `trust` makes it usable. */
export async function sealTape(db: Catalog, uuid: string, why: string): Promise<TapeRow | undefined> {
  await db.updateTable('tapes').set({ read_only: 1 }).where('uuid', '=', uuid).execute();
  return (await moveTape(db, uuid, 'distrust', why)) ?? tapeByUuid(db, uuid);
}

/** A look at the cartridge has shown that it takes writes again: what it is apart from that stays. */
export async function unsealTape(db: Catalog, uuid: string): Promise<void> {
  await db.updateTable('tapes').set({ read_only: 0 }).where('uuid', '=', uuid).execute();
}
