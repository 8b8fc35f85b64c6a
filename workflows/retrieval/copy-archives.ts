import { condition, continueAsNew, isCancellation } from '@temporalio/workflow';
import type { NextArchive } from '../../activities/retrieval/retrieval-state.js';
import type { RetrievalSummary } from '../../catalog/retrievals/retrieval-summary.js';
import { shouldContinueAsNew } from '../back-off.js';
import {
  interruptibleWait,
  leaveRun,
  newCopyRun,
  reading,
  showStep,
  waitForCopyTape,
  writing,
  type CopyRun,
} from './copy-run.js';
import { findToRead, findToWrite, mayWriteNow } from './copy-drives.js';
import type { CopyInput } from '../../operations/retrievals/retrieval-start.js';
import { maxFetches } from '../replay-contract.js';
import { untilCancelled } from './retrieval-steps.js';
import { failureReason, failureType, isLeftToNextRun, rerunAfterWorkerDeath } from '../step-failures.js';

/**
 * Copies archives from tape to tape, through staging. With two drives one reads while the other writes; with one drive
 * it reads until staging is full, then writes what it has read, so that tapes are changed as rarely as possible.
 */
export async function copyArchives(input: CopyInput): Promise<RetrievalSummary | null> {
  const { id } = input;
  const run = newCopyRun(input);
  const { steps } = run.activities;
  return untilCancelled(steps, id, async () => {
    for (let page = await steps.nextArchives(id); page.length > 0; page = await steps.nextArchives(id)) {
      run.reader = 'reading';
      await Promise.all([fetchAll(run, page), storeAll(run)]);
      if (run.leaving || shouldContinueAsNew())
        return continueAsNew<typeof copyArchives>({ ...input, drive: run.reads.drive });
    }
    return reading(run).host.finishRetrieval(id);
  });
}

async function fetchAll(run: CopyRun, page: readonly NextArchive[]): Promise<void> {
  for (const next of page) {
    while (!run.leaving && !(await fetchOne(run, next))) {
      // It had to wait for its tape or for room.
    }
  }
  run.reader = 'ended';
}

/** Reads one archive into staging; false when it has to be tried again. */
async function fetchOne(run: CopyRun, next: NextArchive): Promise<boolean> {
  const { steps } = run.activities;
  const ref = { id: run.input.id, no: next.no };
  const summary = `${next.setId} group ${next.group}: read`;
  if (run.readers.length > 1 && run.reads.tape !== next.tape) {
    if (!(await findToRead(run, next))) return false;
    if (run.reads.tape === null) return true;
  }
  const { slot, watching } = reading(run);
  showStep(run, 'reading', next);
  try {
    const fetched = await rerunAfterWorkerDeath(() =>
      slot.fetchArchive.executeWithOptions({ summary }, [ref]),
    );
    if (fetched === 'full') await waitForRoom(run, next.no);
    else run.backOff.reading.reset();
    if (fetched === 'staged') run.staged.push(next);
    return fetched !== 'full';
  } catch (error) {
    if (isCancellation(error)) throw error;
    if (isLeftToNextRun(error)) {
      leaveRun(run);
      return false;
    }
    const reason = failureReason(error);
    if (failureType(error) === 'TapeNotReady' && run.readers.length > 1) {
      run.reads.tape = null;
      await interruptibleWait(run, () => run.backOff.reading.pause(`again in a while: ${reason}`));
      return false;
    }
    if (failureType(error) === 'TapeNotReady') {
      await waitForCopyTape(run, 'reading', reason, async (why) => {
        await watching.watchForRetrieval.executeWithOptions({ summary: why }, [ref]);
      });
      return false;
    }
    await steps.giveUpArchive(ref, reason);
    return true;
  }
}

/**
 * Waits until what is staged has been written; if nothing is staged, others hold staging or its disk is full, and it
 * waits for that.
 */
async function waitForRoom(run: CopyRun, no: number): Promise<void> {
  const holdsNone = () => run.staged.length === 0 && run.unsynced.size === 0 && !run.storing;
  run.reader = 'full';
  await condition(() => holdsNone() || run.leaving);
  await interruptibleWait(run, async () => {
    await run.backOff.reading.pause('staging was full after all: again in a while');
    await rerunAfterWorkerDeath(() => reading(run).watching.waitForCopyRoom({ id: run.input.id, no }));
  });
  run.reader = 'reading';
}

/** Writes staged archives one at a time, and syncs: by bytes, by age, before a tape change, and at the end. */
async function storeAll(run: CopyRun): Promise<void> {
  const { staged, unsynced } = run;
  const mayStore = () => staged.length > 0 && mayWriteNow(run);
  const ended = () => run.leaving || (run.reader === 'ended' && staged.length === 0 && unsynced.size === 0);
  const hasWork = () => mayStore() || mustSync(run) || ended();
  for (;;) {
    if (unsynced.size === 0) await condition(hasWork);
    else
      await condition(hasWork, Math.max(agesAt(run) - Date.now(), 1), {
        summary: 'until the next sync by age',
      });
    if (ended()) return;
    if (mustSync(run)) {
      await sync(run);
      continue;
    }
    const next = mayStore() ? staged.shift() : undefined;
    if (next === undefined) continue;
    run.storing = true;
    await storeOne(run, next);
    run.storing = false;
  }
}

/** When written archives have waited long enough for their sync, in milliseconds. */
function agesAt({ input, unsyncedSince }: CopyRun): number {
  return unsyncedSince + input.syncSeconds * 1000;
}

function mustSync(run: CopyRun): boolean {
  const { staged, unsynced, reader, input } = run;
  if (unsynced.size === 0) return false;
  let bytes = 0;
  for (const written of unsynced.values()) bytes += written.bytes;
  if (bytes >= input.syncBytes || Date.now() >= agesAt(run)) return true;
  return staged.length === 0 && reader !== 'reading';
}

async function storeOne(run: CopyRun, next: NextArchive): Promise<void> {
  const { steps } = run.activities;
  const { unsynced, damages } = run;
  const ref = { id: run.input.id, no: next.no };
  const wanted = [...unsynced.values()].at(-1)?.tape;
  const isFree = run.writers.length > 1;
  if (isFree && run.writes.tape === null && !(await findToWrite(run, next, wanted))) {
    run.staged.unshift(next);
    return;
  }
  const { drive } = run.writes;
  const { slot, watching } = writing(run, drive);
  const summary = `${next.setId} group ${next.group}: write`;
  showStep(run, 'writing', next);
  try {
    const written = await rerunAfterWorkerDeath(() =>
      slot.storeArchive.executeWithOptions({ summary }, [ref, wanted]),
    );
    run.backOff.storing.reset();
    if (written === null) return;
    if (unsynced.size === 0) run.unsyncedSince = Date.now();
    unsynced.set(next.no, { next, tape: written.tape, drive, bytes: written.bytes });
  } catch (error) {
    if (isCancellation(error)) throw error;
    if (isLeftToNextRun(error)) {
      leaveRun(run);
      return;
    }
    const reason = failureReason(error);
    const type = failureType(error);
    const lost = damages.get(next.no) ?? 0;
    if (type === 'TapeNotReady') {
      run.staged.unshift(next);
      run.writes.tape = null;
      if (unsynced.size > 0) await sync(run);
      else if (isFree)
        await interruptibleWait(run, () => run.backOff.storing.pause(`again in a while: ${reason}`));
      else
        await waitForCopyTape(run, 'storing', reason, async (why) => {
          await watching.watchForCopy.executeWithOptions({ summary: why }, [ref]);
        });
    } else if (type === 'StagedArchiveDamaged' && lost < maxFetches) {
      // It has to be read again and comes with the next page.
      damages.set(next.no, lost + 1);
    } else await steps.giveUpArchive(ref, reason);
  }
}

/** Syncs every tape that holds unsynced archives; waits by name for one that is not in the drive. */
async function sync(run: CopyRun): Promise<void> {
  const { id } = run.input;
  const { steps } = run.activities;
  const { syncing } = run.backOff;
  for (const tape of new Set([...run.unsynced.values()].map((written) => written.tape))) {
    const onTape = [...run.unsynced].filter(([, written]) => written.tape === tape);
    const nos = onTape.map(([no]) => no);
    const { slot, watching } = writing(run, onTape[0]?.[1].drive ?? run.writes.drive);
    try {
      const { lost } = await rerunAfterWorkerDeath(() => slot.syncCopies(id, tape, nos));
      // A tape that loses what is written to it may do so repeatedly.
      if (lost.length > 0)
        await interruptibleWait(run, () =>
          syncing.pause('the tape has lost what was written: again in a while'),
        );
      else syncing.reset();
      for (const no of lost) {
        const copy = run.unsynced.get(no);
        if (copy !== undefined) run.staged.push(copy.next);
      }
    } catch (error) {
      if (isCancellation(error)) throw error;
      if (isLeftToNextRun(error)) {
        leaveRun(run);
        return;
      }
      const reason = failureReason(error);
      const [no = 0] = nos;
      if (failureType(error) === 'TapeNotReady' && run.writers.length > 1) {
        await interruptibleWait(run, () => syncing.pause(`again in a while: ${reason}`));
        const next = onTape[0]?.[1].next;
        if (next !== undefined && (await findToWrite(run, next, tape)))
          for (const [, written] of onTape) written.drive = run.writes.drive;
        continue;
      }
      if (failureType(error) === 'TapeNotReady') {
        await waitForCopyTape(run, 'syncing', reason, async (why) => {
          await watching.watchForCopy.executeWithOptions({ summary: why }, [{ id, no }, tape]);
        });
        continue;
      }
      for (const given of nos) await steps.giveUpArchive({ id, no: given }, reason);
    }
    for (const no of nos) run.unsynced.delete(no);
  }
}
