import { condition, setCurrentDetails, upsertSearchAttributes, workflowInfo } from '@temporalio/workflow';
import type { SetState } from '../../catalog/schema/set-tables.js';
import { allLanes, readyBytes } from '../drive/lanes.js';
import { searchAttributes, type SetProgress } from '../messages.js';
import { stagedBytes, waitingFor, type SetRun } from './set-run.js';
import type { Lane } from '../drive/writers.js';
import { english } from '../../messages/sentence.js';

/** Numbers of groups in some state on the way to a drive, without duplicates, ascending. */
function numbersIn(run: SetRun, of: (lane: Lane) => Iterable<number>): number[] {
  return [...new Set(allLanes(run).flatMap((lane) => [...of(lane)]))].sort((a, b) => a - b);
}

const readyIn = (lane: Lane) => lane.ready.map((group) => group.group);
const writingIn = ({ writing }: Lane) => (writing === undefined ? [] : [writing.group]);
const unsyncedIn = (lane: Lane) => lane.unsynced.keys();

/** The set's state and reason for the catalog. */
function stateOf(run: SetRun): { state: SetState; reason: string | null } {
  if (run.paused)
    return { state: 'paused', reason: english`\`tapeflow resume ${run.input.setId}\` lets it go on` };
  const reason = waitingFor(run);
  if (reason !== null) return { state: 'waiting_for_tape', reason };
  return { state: run.scanned ? 'running' : 'scanning', reason: null };
}

/**
 * Saves the set's current state in the catalog, one save after the other: two at once could finish in either order, and
 * a paused set could look as if it were running.
 *
 * @returns `ended` when the set has ended, and stays as it is.
 */
export function saveState(run: SetRun): Promise<'ended' | undefined> {
  const turn = run.noting.then(async () => {
    const { state, reason } = stateOf(run);
    const noted = `${state} ${reason ?? ''}`;
    if (run.noted === noted) return undefined;
    const { setId } = run.input;
    const left = await run.activities.bookkeeping.recordState.executeWithOptions({ summary: state }, [
      setId,
      state,
      reason,
    ]);
    run.noted = noted;
    return left ?? undefined;
  });
  run.noting = turn.then(
    () => undefined,
    () => undefined,
  );
  return turn;
}

/** The answer to the progress query. */
export function progressOf(run: SetRun): SetProgress {
  return {
    phase: phaseOf(run),
    reason: waitingFor(run) ?? (isShortOfStaging(run) ? noRoom(run) : null),
    cursor: run.cursor,
    staging: [...run.staging.keys()],
    ready: numbersIn(run, readyIn),
    writing: numbersIn(run, writingIn)[0] ?? null,
    unsynced: numbersIn(run, unsyncedIn),
    stagedBytes: stagedBytes(run),
    historyLength: workflowInfo().historyLength,
  };
}

const numbersOf = (groups: Iterable<number>) => [...groups].slice(0, 20).join(', ') || '–';

function phaseOf(run: SetRun): SetProgress['phase'] {
  if (run.paused) return 'paused';
  if (waitingFor(run) !== null) {
    const waiting = run.writers.filter((writer) => writer.waitingFor !== null);
    return waiting.every((writer) => writer.isHeld) ? 'waiting_for_drive' : 'waiting_for_tape';
  }
  if (isShortOfStaging(run)) return 'short_of_staging';
  if (run.draining) return 'draining';
  if (!run.scanned) return 'scanning';
  return run.fed ? 'finishing' : 'running';
}

/**
 * True when nothing can go to tape before staging has room for the waiting groups: no drive and no release is active.
 */
function isShortOfStaging(run: SetRun): boolean {
  if (run.awaitingRoom.size === 0 || run.awaitingRoom.size < run.staging.size || run.releasing > 0)
    return false;
  return allLanes(run).every(
    (lane) => lane.ready.length === 0 && lane.writing === undefined && lane.unsynced.size === 0,
  );
}

function noRoom({ awaitingRoom }: SetRun): string {
  const numbers = numbersOf(awaitingRoom);
  return awaitingRoom.size === 1
    ? english`staging has no room for group ${numbers}`
    : english`staging has no room for groups ${numbers}`;
}

/** Updates the phase whenever the set starts or stops waiting only for room in staging. */
export async function followStagingShortage(run: SetRun): Promise<void> {
  for (let short = false; !run.over; short = !short) {
    await condition(() => run.over || isShortOfStaging(run) !== short);
    updateDetails(run);
  }
}

/** Upserts the phase as a search attribute: what the set is doing, or its final state. */
export function upsertPhase(phase: SetProgress['phase'] | SetState): void {
  if (workflowInfo().typedSearchAttributes.get(searchAttributes.phase) === phase) return;
  upsertSearchAttributes([{ key: searchAttributes.phase, value: phase }]);
}

/** Shows in the Temporal UI what the set is doing: the phase as a search attribute, the rest as details. */
export function updateDetails(run: SetRun): void {
  const { phase, reason: waits } = progressOf(run);
  upsertPhase(phase);
  const { drainBytes } = run.input.options;
  const atDrives = run.writers.flatMap(({ drive, lanes }) =>
    lanes.flatMap((lane) => {
      const gathers = drainBytes > 0 && !lane.streaming && !run.fed;
      const gathered = gathers ? ` (${readyBytes(run, lane)} bytes; it begins at ${drainBytes})` : '';
      return [
        `- waiting for drive ${drive}, pool ${lane.pool}: ${numbersOf(readyIn(lane))}${gathered}`,
        `- being written: ${numbersOf(writingIn(lane))}`,
        `- written, waiting for the next sync: ${numbersOf(unsyncedIn(lane))}`,
      ];
    }),
  );
  setCurrentDetails(
    [
      `**Set ${run.input.setId}** · ${phase}${waits === null ? '' : `: ${waits}`}`,
      `- groups begun so far: ${run.cursor}`,
      `- being compressed or moved: ` +
        `${numbersOf([...run.staging.keys()].filter((group) => !run.awaitingRoom.has(group)))}`,
      ...(run.awaitingRoom.size === 0
        ? []
        : [`- waiting for room in staging: ${numbersOf(run.awaitingRoom)}`]),
      ...atDrives,
    ].join('\n'),
  );
}
