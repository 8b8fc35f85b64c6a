import { waitUnlessAborted } from '../wait-unless-aborted.js';
import { switchReason } from './lanes.js';
import type { Lane, Writer } from './writers.js';
import { summaryText } from '../server-limits.js';
import { drains, track, type SetRun } from '../set/set-run.js';
import { saveState, updateDetails } from '../set/set-phase.js';
import { failureDetails, failureReason, rerunAfterWorkerDeath } from '../step-failures.js';

/**
 * Waits for a person: a single activity watches the drive, and a command can end it. The watch may accept a tape that
 * the step then refuses: then the next wait begins with a pause. A draining run does not wait: what the drive has not
 * taken is left to the next run.
 */
export async function waitForTape(
  run: SetRun,
  writer: Writer,
  lane: Lane,
  error: unknown,
  what: { group: number } | { wanted: string },
): Promise<void> {
  if (drains(run)) {
    writer.leaves = true;
    return;
  }
  const { setId } = run.input;
  const reason = failureReason(error);
  const backOff = writer.backOff['group' in what ? 'writing' : 'syncing'];
  writer.waitingFor = reason;
  writer.isHeld = failureDetails(error)['reason'] === 'drive_held';
  const loads = run.tapeLoads;
  updateDetails(run);
  await saveState(run);
  const held = writer.isHeld ? { held: true as const } : {};
  const wish = { setId, ...what, ...wishOfCopy(run, writer, lane, 'group' in what), ...held };
  // There may be something to write for the loaded tape meanwhile. The next write checks the drive itself.
  const goesOn = () =>
    run.draining || run.tapeLoads !== loads || ('group' in what && laneWithWork(writer, lane) !== undefined);
  const watch = async () => {
    await backOff.pause(`again in a while: ${reason}`);
    await rerunAfterWorkerDeath(() =>
      writer.watching.watchTape.executeWithOptions({ summary: summaryText(reason) }, [wish]),
    );
  };
  try {
    await track(run, waitUnlessAborted(goesOn, watch));
  } finally {
    writer.waitingFor = null;
    writer.isHeld = false;
  }
  if (run.tapeLoads !== loads) backOff.reset();
  writer.leaves = run.draining;
  const other = 'group' in what ? laneWithWork(writer, lane) : undefined;
  if (other !== undefined) writer.lane = other;
  else for (const one of writer.lanes) one.refused = false;
  updateDetails(run);
  await saveState(run);
}

/** A copy that was not refused and now has something to write. */
function laneWithWork(writer: Writer, lane: Lane): Lane | undefined {
  return writer.lanes.find((other) => other !== lane && !other.refused && other.ready.length > 0);
}

/**
 * For a set with several copies: the copy that the watch waits for, since each has its own pool, and what else the
 * drive could write. A tape to be synced has no substitute.
 */
function wishOfCopy(run: SetRun, writer: Writer, lane: Lane, toWrite: boolean) {
  if (run.writers.length === 1 && writer.lanes.length === 1) return {};
  if (!toWrite) return { copyNo: lane.copyNo };
  const others = writer.lanes.flatMap(({ copyNo, ready: [next] }) =>
    copyNo === lane.copyNo || next === undefined ? [] : [{ copyNo, group: next.group }],
  );
  return { copyNo: lane.copyNo, because: switchReason(run, writer), others };
}
