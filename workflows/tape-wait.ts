import { CancellationScope, condition, isCancellation } from '@temporalio/workflow';
import { reasonOfTurn, type Lane, type Writer } from './lanes.js';
import { summaryText } from './server-limits.js';
import {
  failureDetails,
  failureReason,
  noteState,
  outlivingWorkers,
  tell,
  track,
  type SetRun,
} from './set-run.js';

/** Waits for a person, at no cost: one activity watches the drive, and a command can end it. */
export async function waitForTape(
  run: SetRun,
  writer: Writer,
  lane: Lane,
  error: unknown,
  what: { group: number } | { wanted: string },
): Promise<void> {
  const { setId } = run.input;
  const reason = failureReason(error);
  writer.waitingFor = reason;
  writer.isHeld = failureDetails(error)['reason'] === 'drive_held';
  const loads = run.tapeLoads;
  tell(run);
  await noteState(run);
  const scope = new CancellationScope();
  const held = writer.isHeld ? { held: true as const } : {};
  const wish = { setId, ...what, ...wishOfCopy(run, writer, lane, 'group' in what), ...held };
  const watch = track(
    run,
    scope.run(() =>
      outlivingWorkers(() =>
        writer.watching.watchTape.executeWithOptions({ summary: summaryText(reason) }, [wish]),
      ),
    ),
  );
  // The tape that is in the drive may get something to write meanwhile.
  const goesOn = () =>
    run.tapeLoads !== loads || ('group' in what && laneWithWork(writer, lane) !== undefined);
  try {
    await Promise.race([watch, condition(goesOn)]);
    scope.cancel();
    await watch.catch((error: unknown) => {
      // Ended from here; the next write finds out for itself what is in the drive.
      if (!goesOn() || !isCancellation(error)) throw error;
    });
  } finally {
    writer.waitingFor = null;
    writer.isHeld = false;
  }
  const other = 'group' in what ? laneWithWork(writer, lane) : undefined;
  if (other !== undefined) writer.lane = other;
  else for (const one of writer.lanes) one.refused = false;
  tell(run);
  await noteState(run);
}

/** A copy whose tape was good, and that has something to write now. */
function laneWithWork(writer: Writer, lane: Lane): Lane | undefined {
  return writer.lanes.find((other) => other !== lane && !other.refused && other.ready.length > 0);
}

/**
 * What the watch is told of a set with several copies: for which of them it waits, since each has a pool of its own, and
 * what else the drive could write. A tape that is to be synced has no substitute.
 */
function wishOfCopy(run: SetRun, writer: Writer, lane: Lane, toWrite: boolean) {
  if (run.writers.length === 1 && writer.lanes.length === 1) return {};
  if (!toWrite) return { copyNo: lane.copyNo };
  const others = writer.lanes.flatMap(({ copyNo, ready: [next] }) =>
    copyNo === lane.copyNo || next === undefined ? [] : [{ copyNo, group: next.group }],
  );
  return { copyNo: lane.copyNo, because: reasonOfTurn(run, writer), others };
}
