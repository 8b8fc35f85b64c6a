import { isCancellation } from '@temporalio/workflow';
import type { PlannedGroup } from '../../activities/set/next-groups.js';
import { maxCompressions } from '../replay-contract.js';
import { beginGroup, parkUnlessCancelled } from '../set/file-group.js';
import { fallbackLane, enqueueIn, switchReason, switchLane } from './lanes.js';
import type { Lane, Writer } from './writers.js';
import { drains, type SetRun } from '../set/set-run.js';
import { updateDetails } from '../set/set-phase.js';
import { failureType, isLeftToNextRun, rerunAfterWorkerDeath } from '../step-failures.js';
import { waitForTape } from './tape-wait.js';
import { mustSync, syncTapes } from './tape-sync.js';
import { waitForEarlier, waitForWork } from './drive-wait.js';

/**
 * Hands the drive one write at a time: a task queue is not first-in-first-out, so the order is kept here. Between
 * writes it syncs: by bytes, by age, when staging runs short, when the window drains, before a tape change, and at the
 * end. If a drive writes several copies, it stays with the loaded tape's copy as long as there is something to write
 * for it.
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
    if (switchLane(run, writer)) continue;
    await waitForEarlier(run, lane);
    const next = run.paused ? undefined : lane.ready.shift();
    if (next !== undefined) await writeGroup(run, writer, lane, next);
    else if (run.over) return;
  }
}

async function writeGroup(run: SetRun, writer: Writer, lane: Lane, group: PlannedGroup): Promise<void> {
  const ref = { setId: run.input.setId, group: group.group, copyNo: lane.copyNo };
  const wanted = [...lane.unsynced.values()].at(-1)?.tape;
  const because = switchReason(run, writer);
  lane.writing = group;
  updateDetails(run);
  try {
    const drive = writer.slot;
    const written = await rerunAfterWorkerDeath(() =>
      group.direct
        ? drive.compressToTape.executeWithOptions(
            { summary: `group ${ref.group}: compress directly to tape` },
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
    if (isLeftToNextRun(error)) {
      enqueueIn(lane, group);
      writer.leaves = drains(run);
    } else if (failureType(error) === 'TapeNotReady') {
      enqueueIn(lane, group);
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
 * Compresses a group again after its staged bytes were lost, a few times only: a disk that damages everything must not
 * be fed for ever.
 */
async function compressAgain(run: SetRun, group: PlannedGroup, error: unknown): Promise<void> {
  // Another copy's write found it first.
  if (run.staging.has(group.group)) return;
  const damages = (run.damages.get(group.group) ?? 0) + 1;
  run.damages.set(group.group, damages);
  if (damages < maxCompressions) beginGroup(run, { ...group, state: 'planned', committed: [] });
  else await parkUnlessCancelled(run, group, error);
}

/**
 * Syncs what was written before the tape is changed. A tape is requested only when the loaded one suits no copy that
 * has something to write.
 */
async function changeTape(run: SetRun, writer: Writer, lane: Lane, error: unknown): Promise<void> {
  if (lane.unsynced.size > 0) {
    await syncTapes(run, writer, lane);
    return;
  }
  lane.refused = true;
  const other = fallbackLane(run, writer, lane);
  const [next] = lane.ready;
  if (other !== undefined) writer.lane = other;
  else if (next !== undefined) await waitForTape(run, writer, lane, error, { group: next.group });
}
