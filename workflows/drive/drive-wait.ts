import { condition } from '@temporalio/workflow';
import { smallGroupBytes } from '../replay-contract.js';
import { isShort } from '../set/file-group.js';
import { hasWaitingLane, mustSwitchLane, readyBytes } from './lanes.js';
import type { Lane, Writer } from './writers.js';
import type { SetRun } from '../set/set-run.js';
import { updateDetails } from '../set/set-phase.js';
import { mustSync } from './tape-sync.js';

/** Longest time that the drive waits for one earlier small group. */
const maxHoldMs = 10_000;
/**
 * Multiple of `TAPE_SYNC_SECONDS` that archives wait for more to gather: a compression may be waiting for staging held
 * by another set, or for disk space.
 */
const gatherPatience = 3;

/**
 * Waits for an earlier small archive that is on its way. Each is waited for only once and not for long, so that the
 * drive never starves: an earlier group may be retrying, or waiting for staging that only this write can free.
 */
export async function waitForEarlier(run: SetRun, lane: Lane): Promise<void> {
  const earlier = () => {
    const first = lane.ready[0];
    if (first === undefined || run.paused) return undefined;
    for (const group of run.staging.values()) {
      const comesSoon = group.bytes <= smallGroupBytes && !run.awaitingRoom.has(group.group);
      if (group.group < first.group && comesSoon && !lane.overtaken.has(group.group)) return group.group;
    }
    return undefined;
  };
  for (let group = earlier(); group !== undefined; group = earlier()) {
    const awaited = group;
    if (
      !(await condition(() => earlier() !== awaited, maxHoldMs, {
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
    mustSwitchLane(run, writer) ||
    run.over;
  if (lane.unsynced.size === 0) {
    if (run.input.options.drainBytes > 0) await gather(run, lane, hasWork);
    else if (hasWaitingLane(writer)) await workOrPatience(run, writer, hasWork);
    else await condition(() => hasWork() || hasWaitingLane(writer));
    return;
  }
  const age = Date.now() - lane.unsyncedSince;
  await condition(hasWork, Math.max(run.input.options.syncSeconds * 1000 - age, 1), {
    summary: 'until the next sync by age',
  });
}

/**
 * Waits a limited time while another copy waits for the drive: a compression may wait for staging that only this set's
 * other copies can free.
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

/** Waits for the watermark; when no archive has come for a long time, the drive takes what is ready. */
async function gather(run: SetRun, lane: Lane, hasWork: () => boolean): Promise<void> {
  const patienceMs = gatherPatience * run.input.options.syncSeconds * 1000;
  const { ready } = lane;
  while (!hasWork()) {
    const { paused } = run;
    const gathered = ready.length;
    const changes = () => hasWork() || ready.length !== gathered || run.paused !== paused;
    if (gathered === 0 || paused) await condition(changes);
    else if (!(await condition(changes, patienceMs, { summary: 'for archives to gather' }))) break;
    updateDetails(run);
  }
  lane.streaming = ready.length > 0;
}

/** True when the drive may take the next archive; false when more should gather first. */
function mayWrite(run: SetRun, lane: Lane): boolean {
  const { drainBytes } = run.input.options;
  // Options of sets from versions without a watermark lack it.
  if (!(drainBytes > 0) || lane.streaming || run.fed) return true;
  // A direct group has nothing to gather; otherwise running compressions may still bring what is missing.
  if (lane.ready[0]?.direct === true || readyBytes(run, lane) >= drainBytes) return true;
  if (run.staging.size > run.awaitingRoom.size) return false;
  return run.awaitingRoom.size > 0 || (run.next !== undefined && isShort(run, run.next));
}
