import { continueAsNew, isCancellation, proxyActivities, setCurrentDetails } from '@temporalio/workflow';
import type {
  ArchiveActivities,
  DriveActivities,
  DriveHostActivities,
  TargetActivities,
} from '../../activities/index.js';
import type { NextArchive } from '../../activities/retrieval/retrieval-state.js';
import type { RetrievalSummary } from '../../catalog/retrievals/retrieval-summary.js';
import { activityOptions } from '../activity-options.js';
import type { TargetShortage } from '../../operations/retrievals/restore-target.js';
import { maxFetches } from '../replay-contract.js';
import { BackOff, shouldContinueAsNew } from '../back-off.js';
import { findTape } from './find-tape.js';
import type { RetrievalInput } from '../../operations/retrievals/retrieval-start.js';
import { untilCancelled, waitForPerson } from './retrieval-steps.js';
import {
  failureDetails,
  failureReason,
  failureType,
  isLeftToNextRun,
  rerunAfterWorkerDeath,
} from '../step-failures.js';

/** Priority in the drive's queue (1 is first, backups have 3): somebody waits for a restore; a verify can wait. */
const priorities = { restore: 1, verify: 5 } as const;

/** State of a workflow run. */
interface ReadRun {
  input: RetrievalInput;
  /** All drives that may read. */
  drives: readonly string[];
  steps: ReturnType<typeof proxyActivities<ArchiveActivities>>;
  readers: Map<string, ReturnType<typeof readerOf>>;
  /** How the host of the target is asked, where that may be another one than the drive's. */
  there: ReturnType<typeof targetOf> | undefined;
  /** The drives of which the target is known to be on another host. */
  away: Set<string>;
  /** How often the staged bytes of an archive were lost. */
  damages: Map<number, number>;
  /** The host of the target has looked at it. */
  prepared: boolean;
  /** The reading drive and, with several drives, the tape in it if known. */
  drive: string;
  loaded: string | null;
}

/** `long`: the next run reads it. `unusable`: no other archive needs to be read either, since the target takes none. */
type Read = 'done' | 'long' | 'unusable';

/**
 * A restore or verify: archive after archive in tape order, in the slot of the drive with the tape. It waits for each
 * tape by name, holds the slot for one archive at a time, and after a crash continues with the first archive not
 * recorded as read.
 */
export async function retrieveArchives(input: RetrievalInput): Promise<RetrievalSummary | null> {
  const { id } = input;
  const run = newReadRun(input);
  const { steps } = run;
  const finish = () => finishOf(run);
  return untilCancelled(steps, id, async () => {
    for (let page = await steps.nextArchives(id); page.length > 0; page = await steps.nextArchives(id)) {
      for (const next of page) {
        const read = await readOne(run, next);
        if (read === 'long') return continueAsNew<typeof retrieveArchives>({ ...input, drive: run.drive });
        if (read === 'unusable') return finish();
      }
    }
    return finish();
  });
}

function newReadRun(input: RetrievalInput): ReadRun {
  const { options, drive, drives = [drive] } = input;
  return {
    ...{ input, drives, drive, loaded: null },
    there: input.target === undefined ? undefined : targetOf(input, input.target.host),
    ...{ away: new Set(), damages: new Map(), prepared: false },
    steps: proxyActivities<ArchiveActivities>(activityOptions(options, drive).bookkeeping),
    readers: new Map(drives.map((name) => [name, readerOf(input, name)])),
  };
}

/** The activities of one drive. */
function readerOf({ kind, options }: RetrievalInput, drive: string) {
  const policies = activityOptions(options, drive);
  return {
    slot: proxyActivities<DriveActivities>({
      ...policies.read,
      priority: { priorityKey: priorities[kind] },
    }),
    host: proxyActivities<DriveHostActivities>(policies.host),
    watching: proxyActivities<DriveHostActivities>(policies.watchTape),
  };
}

/** The activities of the target's host. */
function targetOf({ options, drive }: RetrievalInput, host: string | undefined) {
  const policies = activityOptions(options, drive, host);
  return {
    steps: proxyActivities<TargetActivities>(policies.target),
    unpack: proxyActivities<TargetActivities>(policies.unpack),
    watching: proxyActivities<TargetActivities>(policies.watchTarget),
  };
}

/** The last step, on the host of the target. */
async function finishOf(run: ReadRun): Promise<RetrievalSummary> {
  const { id } = run.input;
  try {
    return await readerIn(run).host.finishRetrieval(id);
  } catch (error) {
    if (run.there === undefined || failureType(error) !== 'TargetElsewhere') throw error;
    return run.there.steps.finishRetrieval(id);
  }
}

/** How the drive is asked that reads now. */
function readerIn({ input, readers, drive }: ReadRun): ReturnType<typeof readerOf> {
  return readers.get(drive) ?? readerOf(input, drive);
}

/** Reads one archive, however often its tape or its target has to be waited for. */
async function readOne(run: ReadRun, next: NextArchive): Promise<Read> {
  const { input, drives } = run;
  const { no, setId, group } = next;
  const backOff = new BackOff();
  while (!shouldContinueAsNew()) {
    if (drives.length > 1 && run.loaded !== next.tape) {
      ({ drive: run.drive, tape: run.loaded } = await findTape(input, drives, next));
      if (run.loaded === null) return 'done';
    }
    setCurrentDetails(
      `**${input.id}** · reading group ${group} of set ${setId} (archive ${no}) in drive ${run.drive}`,
    );
    try {
      if (await readIn(run, next)) return 'done';
    } catch (error) {
      if (isCancellation(error)) throw error;
      const became = await afterFailure(run, no, error, backOff);
      if (became !== 'again') return became;
    }
  }
  return 'long';
}

/** Reads an archive where the drive is, or hands it to the host of the target; false: it has to be tried again. */
async function readIn(run: ReadRun, next: NextArchive): Promise<boolean> {
  const { input, there, away, drive } = run;
  const { no, setId, group } = next;
  const ref = { id: input.id, no };
  const { slot, watching } = readerIn(run);
  const summary = `${setId} group ${group}: ${input.kind}`;
  if (!away.has(drive)) {
    const read = await rerunAfterWorkerDeath(() => slot.readArchive.executeWithOptions({ summary }, [ref]));
    if (read !== 'elsewhere') return true;
    away.add(drive);
  }
  if (there === undefined) throw new Error(`the host of the target of ${input.id} is not known`);
  if (!run.prepared) {
    const look = { summary: 'look at the target' };
    await rerunAfterWorkerDeath(() => there.steps.prepareTarget.executeWithOptions(look, [input.id]));
    run.prepared = true;
  }
  const fetch = { summary: `${setId} group ${group}: read into staging` };
  const fetched = await rerunAfterWorkerDeath(() => slot.fetchForTarget.executeWithOptions(fetch, [ref]));
  if (fetched === 'full') await rerunAfterWorkerDeath(() => watching.waitForCopyRoom(ref));
  if (fetched !== 'staged') return fetched === 'gone';
  await rerunAfterWorkerDeath(() => there.unpack.unpackArchive.executeWithOptions({ summary }, [ref]));
  return true;
}

/** What becomes of an archive whose read has failed: its tape, or its target, is waited for, or it is given up. */
async function afterFailure(
  run: ReadRun,
  no: number,
  error: unknown,
  backOff: BackOff,
): Promise<Read | 'again'> {
  if (isLeftToNextRun(error)) return 'long';
  const { steps, drives } = run;
  const { id } = run.input;
  const reason = failureReason(error);
  const type = failureType(error) ?? '';
  if (['TargetUnusable', 'TargetFailed'].includes(type)) {
    await steps.recordRetrievalState(id, 'failed', reason);
    return 'unusable';
  }
  const lost = run.damages.get(no) ?? 0;
  if (type === 'StagedArchiveDamaged' && lost < maxFetches) {
    run.damages.set(no, lost + 1);
    await backOff.pause(`again in a while: ${reason}`);
    return 'again';
  }
  if (!['TapeNotReady', 'TargetNotReady'].includes(type)) {
    await steps.giveUpArchive({ id, no }, reason);
    return 'done';
  }
  if (drives.length > 1 && type === 'TapeNotReady') {
    run.loaded = null;
    await backOff.pause(`again in a while: ${reason}`);
    return 'again';
  }
  const lack = failureDetails(error)['lack'] as TargetShortage | undefined;
  const among = drives.length > 1 ? { at: 0, drives } : undefined;
  const { watching } = readerIn(run);
  await waitForPerson(steps, id, reason, backOff, async (summary) => {
    if (lack !== undefined && run.there !== undefined && run.away.has(run.drive)) {
      await run.there.watching.waitForTargetRoom.executeWithOptions({ summary }, [{ id, no }, lack]);
      return;
    }
    await watching.watchForRetrieval.executeWithOptions({ summary }, [{ id, no }, lack, among]);
  });
  return 'again';
}
