import { isCancellation } from '@temporalio/workflow';
import type { SyncResult } from '../../activities/tape/sync-tape.js';
import { parkUnlessCancelled, release } from '../set/file-group.js';
import { enqueueIn } from './lanes.js';
import type { Lane, Writer } from './writers.js';
import { drains, track, type SetRun } from '../set/set-run.js';
import { updateDetails } from '../set/set-phase.js';
import { failureType, isLeftToNextRun, rerunAfterWorkerDeath } from '../step-failures.js';
import { waitForTape } from './tape-wait.js';

/** Whether the drive has to sync what it has written, before it does anything else. */
export function mustSync(run: SetRun, lane: Lane): boolean {
  if (lane.unsynced.size === 0) return false;
  const { drainBytes, syncBytes, syncSeconds } = run.input.options;
  // The drive stops here anyway, and the next archives need the room.
  if (drainBytes > 0 && !lane.streaming) return true;
  let bytes = 0;
  for (const written of lane.unsynced.values()) bytes += written.bytes;
  if (bytes >= syncBytes || Date.now() - lane.unsyncedSince >= syncSeconds * 1000) return true;
  if (lane.ready.length > 0 && !run.paused) return false;
  return run.paused || run.shortOfStaging || run.awaitingRoom.size > 0 || run.staging.size === 0;
}

/** Syncs every tape that holds unsynced archives; waits by name for one that is not in the drive. */
export async function syncTapes(run: SetRun, writer: Writer, lane: Lane): Promise<void> {
  const tapes = new Set([...lane.unsynced.values()].map((written) => written.tape));
  for (const tape of tapes) {
    if (writer.leaves) break;
    const written = [...lane.unsynced].filter(([, copy]) => copy.tape === tape);
    const groups = written.map(([number]) => number);
    try {
      const result = await rerunAfterWorkerDeath(() =>
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
      if (isLeftToNextRun(error)) writer.leaves = drains(run);
      else if (failureType(error) === 'TapeNotReady')
        await waitForTape(run, writer, lane, error, { wanted: tape });
      else await parkUnsynced(run, lane, groups, error);
    }
  }
  updateDetails(run);
}

/** A tape that loses what is written to it may do so repeatedly: pauses grow, and finally the groups are parked. */
async function pauseAfterLoss(run: SetRun, writer: Writer): Promise<void> {
  writer.leaves = drains(run);
  if (!writer.leaves)
    await writer.backOff.syncing.pause('the tape has lost what was written: again in a while');
}

/** Handles a sync's result: groups with all copies committed are released, lost ones are written again. */
function settle(run: SetRun, lane: Lane, { committed, lost, whole = committed }: SyncResult): void {
  for (const number of lost) {
    const copy = lane.unsynced.get(number);
    if (copy !== undefined) enqueueIn(lane, copy.group);
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
