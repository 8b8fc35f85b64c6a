import { condition, isCancellation } from '@temporalio/workflow';
import type { PlannedGroup } from '../../activities/set/set-state.js';
import type { SyncResult } from '../../activities/tape/sync-tape.js';
import { mostCompressions, smallGroupBytes } from '../replay-contract.js';
import { beginGroup, isShort, parkUnlessCancelled, release } from './file-group.js';
import { isAwaited, laneInstead, makeReadyIn, mustTurn, readyBytes, reasonOfTurn, turn } from './lanes.js';
import type { Lane, Writer } from './writers.js';
import { drains, track, type SetRun } from './set-run.js';
import { tell } from './set-phase.js';
import { failureType, isLeft, outlivingWorkers } from '../step-failures.js';
import { waitForTape } from './tape-wait.js';

/** Longest that the drive is held for one earlier small group. */
const mostHoldMs = 10_000;
/**
 * Times of `TAPE_SYNC_SECONDS` that archives wait for the next one to gather: a compression may wait for staging that
 * another set holds, or that the disk does not have.
 */
const gatherPatience = 3;

/**
 * Hands the drive one write at a time: a task queue is not first-in-first-out, so the order is kept here. Between the
 * writes it syncs: by bytes, by age, when staging runs short, when the window drains, before a tape change, at the end.
 * Where a drive writes several copies, it stays with the one whose tape is in it as long as there is something for
 * that.
 */
export async function writeGroups(run: SetRun, writer: Writer): Promise<void> {
  while (!writer.leaves) {
    writer.lane.streaming &&= writer.lane.ready.length > 0;
    await waitForWork(run, writer);
    const { lane } = writer;
    if (mustSync(run, lane)) {
      await syncTapes(run, writer, lane);
      continue;
    }
    if (turn(run, writer)) continue;
    await waitForEarlier(run, lane);
    const next = run.paused ? undefined : lane.ready.shift();
    if (next !== undefined) await writeGroup(run, writer, lane, next);
    else if (run.over) return;
  }
}

/**
 * Lets a small archive that is on its way come before a later one. Each is waited for once, and not for long, so that
 * the drive never starves: an earlier group may be tried again and again, or wait for staging that only this write can
 * free.
 */
async function waitForEarlier(run: SetRun, lane: Lane): Promise<void> {
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

async function waitForWork(run: SetRun, writer: Writer): Promise<void> {
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

function mustSync(run: SetRun, lane: Lane): boolean {
  if (lane.unsynced.size === 0) return false;
  const { drainBytes, syncBytes, syncSeconds } = run.input.options;
  // The drive stops here anyhow, and what gathers next needs the room.
  if (drainBytes > 0 && !lane.streaming) return true;
  let bytes = 0;
  for (const written of lane.unsynced.values()) bytes += written.bytes;
  if (bytes >= syncBytes || Date.now() - lane.unsyncedSince >= syncSeconds * 1000) return true;
  if (lane.ready.length > 0 && !run.paused) return false;
  return run.paused || run.shortOfStaging || run.roomless.size > 0 || run.staging.size === 0;
}

async function writeGroup(run: SetRun, writer: Writer, lane: Lane, group: PlannedGroup): Promise<void> {
  const ref = { setId: run.input.setId, group: group.group, copyNo: lane.copyNo };
  const wanted = [...lane.unsynced.values()].at(-1)?.tape;
  const because = reasonOfTurn(run, writer);
  lane.writing = group;
  tell(run);
  try {
    const drive = writer.slot;
    const written = await outlivingWorkers(() =>
      group.direct
        ? drive.compressToTape.executeWithOptions(
            { summary: `group ${ref.group}: compress on to the tape` },
            [ref, wanted],
          )
        : drive.writeToTape.executeWithOptions({ summary: `group ${ref.group}: write to tape` }, [
            ref,
            wanted,
            because,
          ]),
    );
    writer.impatient = false;
    writer.backOff.writing.reset();
    if (written === null) return;
    if (lane.unsynced.size === 0) lane.unsyncedSince = Date.now();
    lane.unsynced.set(group.group, { group, tape: written.tape, bytes: written.bytes });
  } catch (error) {
    if (isCancellation(error)) throw error;
    if (isLeft(error)) {
      makeReadyIn(lane, group);
      writer.leaves = drains(run);
    } else if (failureType(error) === 'TapeNotReady') {
      makeReadyIn(lane, group);
      lane.writing = undefined;
      await changeTape(run, writer, lane, error);
    } else if (failureType(error) === 'StagedArchiveDamaged') {
      await compressAgain(run, group, error);
    } else {
      await parkUnlessCancelled(run, group, error, undefined, lane);
    }
  } finally {
    lane.writing = undefined;
  }
}

/**
 * Staged bytes that were lost are made again, a few times: a disk that damages all it is given must not be fed for
 * ever.
 */
async function compressAgain(run: SetRun, group: PlannedGroup, error: unknown): Promise<void> {
  // Another copy's write has found it first.
  if (run.staging.has(group.group)) return;
  const damages = (run.damages.get(group.group) ?? 0) + 1;
  run.damages.set(group.group, damages);
  if (damages < mostCompressions) beginGroup(run, { ...group, state: 'planned', committed: [] });
  else await parkUnlessCancelled(run, group, error);
}

/**
 * Before the tape in the drive is changed, what was written to it is synced. A person is asked for one only when the
 * tape in the drive is no good for any copy that has something to write.
 */
async function changeTape(run: SetRun, writer: Writer, lane: Lane, error: unknown): Promise<void> {
  if (lane.unsynced.size > 0) {
    await syncTapes(run, writer, lane);
    return;
  }
  lane.refused = true;
  const other = laneInstead(run, writer, lane);
  const [next] = lane.ready;
  if (other !== undefined) writer.lane = other;
  else if (next !== undefined) await waitForTape(run, writer, lane, error, { group: next.group });
}

/** Syncs every tape that holds unsynced archives; one that is not in the drive is waited for by name. */
async function syncTapes(run: SetRun, writer: Writer, lane: Lane): Promise<void> {
  const tapes = new Set([...lane.unsynced.values()].map((written) => written.tape));
  for (const tape of tapes) {
    if (writer.leaves) break;
    const written = [...lane.unsynced].filter(([, copy]) => copy.tape === tape);
    const groups = written.map(([number]) => number);
    try {
      const result = await outlivingWorkers(() =>
        writer.slot.syncTape.executeWithOptions(
          { summary: `sync ${groups.length === 1 ? 'one archive' : `${groups.length} archives`}` },
          [run.input.setId, tape, groups, lane.copyNo],
        ),
      );
      settle(run, lane, result);
      if (result.lost.length === 0) writer.backOff.syncing.reset();
      else await pauseAfterLoss(run, writer);
    } catch (error) {
      if (isCancellation(error)) throw error;
      if (isLeft(error)) writer.leaves = drains(run);
      else if (failureType(error) === 'TapeNotReady')
        await waitForTape(run, writer, lane, error, { wanted: tape });
      else await parkUnsynced(run, lane, groups, error);
    }
  }
  tell(run);
}

/**
 * A tape that forgets what is written to it may do so again and again: each round takes longer, and the last is left.
 */
async function pauseAfterLoss(run: SetRun, writer: Writer): Promise<void> {
  writer.leaves = drains(run);
  if (!writer.leaves)
    await writer.backOff.syncing.pause('the tape has lost what was written: again in a while');
}

/** What became of written groups: those of which every copy is committed are released, lost ones written again. */
function settle(run: SetRun, lane: Lane, { committed, lost, whole = committed }: SyncResult): void {
  for (const number of lost) {
    const copy = lane.unsynced.get(number);
    if (copy !== undefined) makeReadyIn(lane, copy.group);
  }
  for (const number of [...committed, ...lost]) lane.unsynced.delete(number);
  if (whole.length > 0) void track(run, release(run, whole));
}

async function parkUnsynced(run: SetRun, lane: Lane, groups: number[], error: unknown): Promise<void> {
  for (const number of groups) {
    const copy = lane.unsynced.get(number);
    lane.unsynced.delete(number);
    if (copy !== undefined) await parkUnlessCancelled(run, copy.group, error, 'synced', lane);
  }
}
