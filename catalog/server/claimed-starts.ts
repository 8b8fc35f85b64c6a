import { english } from '../../messages/sentence.js';
import { cronMatches } from '../../config/cron-times.js';
import type { Catalog } from '../open-catalog.js';
import { findSchedule } from './schedules.js';

/** The start of a workflow that is to count once. Times are milliseconds since 1970. */
export interface StartClaim {
  workflowId: string;
  runId: string;
  /** When it was proven, or when the schedule run was due. */
  at: number;
  /** A unique value made by a command or another workflow for this one start. */
  once?: string;
  /** Name of the schedule, instead of `once`. */
  schedule?: string;
}

/** Why a start does not count: a reason, or, where it is no surprise to anybody, an object with it. */
export type StartRefusal = string | { isPaused: string };

const dayMs = 86_400_000;
/** A start that waited longer for a worker is refused, so that used starts need not be remembered for ever. */
const countsForMs = 30 * dayMs;
/** A one-time step must have been requested this recently; a request held back for days no longer counts. */
const stepCountsForMs = dayMs;
/** Allowed difference between clocks. */
const clockSkewMs = 5 * 60_000;
/** How long a command to run a schedule now is valid: the server starts it at once. */
const wishCountsForMs = 10 * 60_000;

/**
 * Claims a start for a run, only once: anybody who reaches the server can read a proof there and send it again. The
 * same run may claim it again.
 *
 * @returns null, or why the start does not count: `it was used before`.
 */
export function claimStart(
  catalog: Catalog,
  claim: StartClaim,
  now = Date.now(),
): Promise<StartRefusal | null> {
  const { workflowId, runId, at } = claim;
  const id = claim.schedule === undefined ? (claim.once ?? '') : workflowId;
  return catalog.transaction().execute(async (tx) => {
    const before = await tx
      .selectFrom('claimed_starts')
      .select('run_id')
      .where('id', '=', id)
      .executeTakeFirst();
    if (before !== undefined) return before.run_id === runId ? null : english`it was used before`;
    if (at < now - countsForMs) return english`it is too old`;
    if (at > now + clockSkewMs) return english`it is dated in the future`;
    if (claim.schedule !== undefined) {
      const reason = await claimDue(tx, claim.schedule, at);
      if (reason !== null) return reason;
    }
    await tx
      .deleteFrom('claimed_starts')
      .where('at', '<', now - countsForMs - dayMs)
      .execute();
    await tx
      .insertInto('claimed_starts')
      .values({ id, at, workflow_id: workflowId, run_id: runId })
      .execute();
    return null;
  });
}

/**
 * A schedule runs at its times, each once and in order, unless it is paused, and when a command has requested it. Runs
 * that somebody triggers or backfills at the server do not count, nor what a server catches up on at its start that was
 * away when the schedule was paused.
 */
async function claimDue(tx: Catalog, name: string, at: number): Promise<StartRefusal | null> {
  const row = await findSchedule(tx, name);
  if (row === undefined) return english`the catalog has no such schedule`;
  const { due_at: last, run_asked_at: asked, created_at: made } = row;
  const isAsked = asked !== null && at >= asked - clockSkewMs && at <= asked + wishCountsForMs;
  // The server names whole seconds.
  if (at < made - 1000 || (last !== null && at <= last)) return english`that time has passed`;
  if (!isAsked && row.paused === 1) return { isPaused: english`the schedule ${name} is paused` };
  if (!isAsked && !cronMatches(row.cron, row.zone, at))
    return english`it is not due then, and no command has requested it`;
  await tx
    .updateTable('schedules')
    .set({ due_at: at, ...(isAsked ? { run_asked_at: null } : {}) })
    .where('name', '=', name)
    .execute();
  return null;
}

/** A step to be done once per command, for `claimStep`. */
export interface StepClaim {
  workflowId: string;
  runId: string;
  activityType: string;
  /** A unique value for this one attempt, which may claim again. */
  by: string;
}

const stepMark = ({ runId, activityType }: StepClaim): string => `step ${runId} ${activityType}`;
const endMark = (workflowId: string): string => `ended ${workflowId}`;

/**
 * Claims a step that would do harm if it ran again later, or after nobody waits for it any more: its proof stays valid
 * in its run, which anybody who polls our queue can keep open. Its mark lives as long as that of its run's start,
 * without which it no longer counts.
 *
 * @returns null, or why the step does not count: `it was done before`.
 */
export function claimStep(catalog: Catalog, claim: StepClaim, now = Date.now()): Promise<string | null> {
  const { workflowId, runId, by } = claim;
  return catalog.transaction().execute(async (tx) => {
    const start = await tx
      .selectFrom('claimed_starts')
      .select('at')
      .where('workflow_id', '=', workflowId)
      .where('run_id', '=', runId)
      .executeTakeFirst();
    if (start === undefined || start.at < now - stepCountsForMs)
      return english`it was requested too long ago`;
    if ((await claimantOf(tx, endMark(workflowId))) !== undefined)
      return english`the command that asked has ended`;
    const before = await claimantOf(tx, stepMark(claim));
    if (before !== undefined) return before === by ? null : english`it was done before`;
    const mark = { id: stepMark(claim), at: now, workflow_id: workflowId, run_id: by };
    await tx.insertInto('claimed_starts').values(mark).execute();
    return null;
  });
}

async function claimantOf(db: Catalog, id: string): Promise<string | undefined> {
  const query = db.selectFrom('claimed_starts').select('run_id').where('id', '=', id);
  return (await query.executeTakeFirst())?.run_id;
}

/**
 * Records that the command which started a workflow has its answer, or waits for none: none of its one-time steps
 * counts from now on.
 *
 * @returns true when one of them had begun before.
 */
export function endSteps(catalog: Catalog, workflowId: string, now = Date.now()): Promise<boolean> {
  const mark = { id: endMark(workflowId), at: now, workflow_id: workflowId, run_id: '' };
  return catalog.transaction().execute(async (tx) => {
    await tx
      .insertInto('claimed_starts')
      .values(mark)
      .onConflict((conflict) => conflict.doNothing())
      .execute();
    const begun = await tx
      .selectFrom('claimed_starts')
      .select('id')
      .where('workflow_id', '=', workflowId)
      .where('id', 'like', 'step %')
      .executeTakeFirst();
    return begun !== undefined;
  });
}
