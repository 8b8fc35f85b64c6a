import { condition } from '@temporalio/workflow';
import { smallGroupBytes } from '../replay-contract.js';
import { isShort } from '../set/file-group.js';
import { isAwaited, mustTurn, readyBytes } from './lanes.js';
import type { Lane, Writer } from './writers.js';
import type { SetRun } from '../set/set-run.js';
import { tell } from '../set/set-phase.js';
import { mustSync } from './tape-sync.js';

/** Longest that the drive is held for one earlier small group. */
const mostHoldMs = 10_000;
/**
 * Times of `TAPE_SYNC_SECONDS` that archives wait for the next one to gather: a compression may wait for staging that
 * another set holds, or that the disk does not have.
 */
const gatherPatience = 3;

/**
 * Lets a small archive that is on its way come before a later one. Each is waited for once, and not for long, so that
 * the drive never starves: an earlier group may be tried again and again, or wait for staging that only this write can
 * free.
 */
export async function waitForEarlier(run: SetRun, lane: Lane): Promise<void> {
  const earlier = () => {
    const first = lane.ready[0];
    if (first === undefined || run.paused) return undefined;
    for (const group of run.staging.values()) {
      const comesSoon = group.bytes <= smallGroupBytes && !run.roomless.has(group.group);
      if (group.group < first.group && comesSoon && !lane.overtaken.has(group.group)) return group.group;
    }
    return undefined;
  };
  for (let group = earlier(); group !== undefined; group = earlier()) {
    const awaited = group;
    if (
      !(await condition(() => earlier() !== awaited, mostHoldMs, {
        summary: `a moment for group ${awaited}`,
      }))
    )
      lane.overtaken.add(awaited);
  }
}

export async function waitForWork(run: SetRun, writer: Writer): Promise<void> {
  const { lane } = writer;
  const hasWork = () =>
    mustSync(run, lane) ||
    (lane.ready.length > 0 && !run.paused && mayWrite(run, lane)) ||
    mustTurn(run, writer) ||
    run.over;
  if (lane.unsynced.size === 0) {
    if (run.input.options.drainBytes > 0) await gather(run, lane, hasWork);
    else if (isAwaited(writer)) await workOrPatience(run, writer, hasWork);
    else await condition(() => hasWork() || isAwaited(writer));
    return;
  }
  const age = Date.now() - lane.unsyncedSince;
  await condition(hasWork, Math.max(run.input.options.syncSeconds * 1000 - age, 1), {
    summary: 'until the next sync by age',
  });
}

/**
 * While another copy waits for the drive: a compression may wait for staging that only this set's other copies can
 * free.
 */
async function workOrPatience(run: SetRun, writer: Writer, hasWork: () => boolean): Promise<void> {
  const patienceMs = run.input.options.syncSeconds * 1000;
  if (run.paused) await condition(() => hasWork() || !run.paused);
  else if (
    !(await condition(() => hasWork() || run.paused, patienceMs, {
      summary: 'for more to write on this tape',
    }))
  )
    writer.impatient = true;
}

/** Waits for the watermark; when no archive has come for long, the drive takes those that are there. */
async function gather(run: SetRun, lane: Lane, hasWork: () => boolean): Promise<void> {
  const patienceMs = gatherPatience * run.input.options.syncSeconds * 1000;
  const { ready } = lane;
  while (!hasWork()) {
    const { paused } = run;
    const gathered = ready.length;
    const changes = () => hasWork() || ready.length !== gathered || run.paused !== paused;
    if (gathered === 0 || paused) await condition(changes);
    else if (!(await condition(changes, patienceMs, { summary: 'for archives to gather' }))) break;
    tell(run);
  }
  lane.streaming = ready.length > 0;
}

/** Whether the drive may take the next archive, or lets more of them gather first. */
function mayWrite(run: SetRun, lane: Lane): boolean {
  const { drainBytes } = run.input.options;
  // Sets that began before there was a watermark have none in their options.
  if (!(drainBytes > 0) || lane.streaming || run.fed) return true;
  // Compressed on to the tape, it has nothing to gather; and compressions under way may yet bring what is missing.
  if (lane.ready[0]?.direct === true || readyBytes(run, lane) >= drainBytes) return true;
  if (run.staging.size > run.roomless.size) return false;
  return run.roomless.size > 0 || (run.next !== undefined && isShort(run, run.next));
}
