import {
  condition,
  continueAsNew,
  isCancellation,
  proxyActivities,
  setCurrentDetails,
  workflowInfo,
} from '@temporalio/workflow';
import type { DriveActivities, DriveHostActivities } from '../activities/index.js';
import type { NextArchive } from '../activities/retrieval.js';
import type { RetrievalSummary } from '../catalog/retrievals.js';
import { activityOptions } from './activity-options.js';
import type { CopyInput } from './messages.js';
import { eventsPerRun, untilCancelled, waitForPerson } from './retrieval-steps.js';
import { summaryText } from './server-limits.js';
import { failureReason, failureType, outlivingWorkers } from './set-run.js';

/** In the drives' queues copies come after backups (3) and restores (1). */
const priority = { priorityKey: 5 };
/** Times that an archive is read anew because its staged bytes were lost, before it is given up. */
const mostDamages = 5;

/** What a run of the workflow knows. */
interface CopyRun {
  input: CopyInput;
  activities: ReturnType<typeof copyActivities>;
  /** Staged and not written yet, in the order of reading. */
  staged: NextArchive[];
  /** Written and not synced yet, with the tape's UUID. */
  unsynced: Map<number, { next: NextArchive; tape: string; bytes: number }>;
  reader: 'reading' | 'full' | 'ended';
  storing: boolean;
  /** Times that the staged bytes of an archive were lost. */
  damages: Map<number, number>;
}

function copyActivities({ options, drive, toDrive }: CopyInput) {
  const source = activityOptions(options, drive);
  const target = activityOptions(options, toDrive);
  return {
    host: proxyActivities<DriveHostActivities>(source.host),
    from: proxyActivities<DriveActivities>({ ...source.read, priority }),
    to: proxyActivities<DriveActivities>({ ...target.drive, priority }),
    fromHost: proxyActivities<DriveHostActivities>(source.watchTape),
    toHost: proxyActivities<DriveHostActivities>(target.watchTape),
  };
}

/**
 * A copy of archives from tape to tape, through staging. With two drives one reads while the other writes; with one it
 * reads until staging is full, then writes what it has read, so that its tapes are changed as seldom as staging allows.
 */
export async function copyArchives(input: CopyInput): Promise<RetrievalSummary> {
  const { id } = input;
  const run: CopyRun = {
    ...{ input, activities: copyActivities(input), staged: [], unsynced: new Map() },
    ...{ reader: 'ended', storing: false, damages: new Map() },
  };
  const { host } = run.activities;
  return untilCancelled(host, id, async () => {
    for (let page = await host.nextArchives(id); page.length > 0; page = await host.nextArchives(id)) {
      run.reader = 'reading';
      await Promise.all([fetchAll(run, page), storeAll(run)]);
      if (workflowInfo().historyLength > eventsPerRun) return continueAsNew<typeof copyArchives>(input);
    }
    return host.finishRetrieval(id);
  });
}

async function fetchAll(run: CopyRun, page: readonly NextArchive[]): Promise<void> {
  for (const next of page) {
    while (!(await fetchOne(run, next))) {
      // Its tape, or room for it, was waited for.
    }
  }
  run.reader = 'ended';
}

/** Reads one archive into staging; false when it is to be tried again. */
async function fetchOne(run: CopyRun, next: NextArchive): Promise<boolean> {
  const { id } = run.input;
  const { from, fromHost, host } = run.activities;
  const ref = { id, no: next.no };
  const summary = `${next.setId} group ${next.group}: read`;
  setCurrentDetails(`**${id}** · reading group ${next.group} of set ${next.setId}`);
  try {
    const fetched = await outlivingWorkers(() => from.fetchArchive.executeWithOptions({ summary }, [ref]));
    if (fetched === 'staged') run.staged.push(next);
    if (fetched === 'full') await waitForRoom(run, next.no);
    return fetched !== 'full';
  } catch (error) {
    if (isCancellation(error)) throw error;
    const reason = failureReason(error);
    if (failureType(error) === 'TapeNotReady') {
      await waitForPerson(host, id, reason, (why) =>
        fromHost.watchForRetrieval.executeWithOptions({ summary: summaryText(why) }, [ref]),
      );
      return false;
    }
    await host.giveUpArchive(ref, reason);
    return true;
  }
}

/** Waits until what is staged has been written; when nothing is, others hold staging, and they are waited for. */
async function waitForRoom(run: CopyRun, no: number): Promise<void> {
  const holdsNone = () => run.staged.length === 0 && run.unsynced.size === 0 && !run.storing;
  run.reader = 'full';
  if (holdsNone())
    await outlivingWorkers(() => run.activities.fromHost.waitForCopyRoom({ id: run.input.id, no }));
  else await condition(holdsNone);
  run.reader = 'reading';
}

/** Writes what is staged, one archive at a time, and syncs: by bytes, before the tape is changed, and at the end. */
async function storeAll(run: CopyRun): Promise<void> {
  const { drive, toDrive, syncBytes } = run.input;
  const { staged, unsynced } = run;
  const mayStore = () => staged.length > 0 && (drive !== toDrive || run.reader !== 'reading');
  const mustSync = () => {
    let bytes = 0;
    for (const written of unsynced.values()) bytes += written.bytes;
    return bytes >= syncBytes || (bytes > 0 && staged.length === 0 && run.reader !== 'reading');
  };
  const ended = () => run.reader === 'ended' && staged.length === 0 && unsynced.size === 0;
  for (;;) {
    await condition(() => mayStore() || mustSync() || ended());
    if (mustSync()) {
      await sync(run);
      continue;
    }
    if (ended()) return;
    run.storing = true;
    const next = staged.shift();
    if (next !== undefined) await storeOne(run, next);
    run.storing = false;
  }
}

async function storeOne(run: CopyRun, next: NextArchive): Promise<void> {
  const { id } = run.input;
  const { to, toHost, host } = run.activities;
  const { unsynced, damages } = run;
  const ref = { id, no: next.no };
  const wanted = [...unsynced.values()].at(-1)?.tape;
  const summary = `${next.setId} group ${next.group}: write`;
  setCurrentDetails(`**${id}** · writing group ${next.group} of set ${next.setId}`);
  try {
    const written = await outlivingWorkers(() =>
      to.storeArchive.executeWithOptions({ summary }, [ref, wanted]),
    );
    if (written !== null) unsynced.set(next.no, { next, tape: written.tape, bytes: written.bytes });
  } catch (error) {
    if (isCancellation(error)) throw error;
    const reason = failureReason(error);
    const type = failureType(error);
    const lost = damages.get(next.no) ?? 0;
    if (type === 'TapeNotReady') {
      run.staged.unshift(next);
      if (unsynced.size > 0) await sync(run);
      else
        await waitForPerson(host, id, reason, (why) =>
          toHost.watchForCopy.executeWithOptions({ summary: summaryText(why) }, [ref]),
        );
    } else if (type === 'StagedArchiveDamaged' && lost < mostDamages) {
      // It is still to be read, and comes with the next page.
      damages.set(next.no, lost + 1);
    } else await host.giveUpArchive(ref, reason);
  }
}

/** Syncs every tape that holds unsynced archives; one that is not in the drive is waited for by name. */
async function sync(run: CopyRun): Promise<void> {
  const { id } = run.input;
  const { to, toHost, host } = run.activities;
  for (const tape of new Set([...run.unsynced.values()].map((written) => written.tape))) {
    const nos = [...run.unsynced].filter(([, written]) => written.tape === tape).map(([no]) => no);
    try {
      const { lost } = await outlivingWorkers(() => to.syncCopies(id, tape, nos));
      for (const no of lost) {
        const copy = run.unsynced.get(no);
        if (copy !== undefined) run.staged.push(copy.next);
      }
    } catch (error) {
      if (isCancellation(error)) throw error;
      const reason = failureReason(error);
      const [no = 0] = nos;
      if (failureType(error) === 'TapeNotReady') {
        await waitForPerson(host, id, reason, (why) =>
          toHost.watchForCopy.executeWithOptions({ summary: summaryText(why) }, [{ id, no }, tape]),
        );
        continue;
      }
      for (const given of nos) await host.giveUpArchive({ id, no: given }, reason);
    }
    for (const no of nos) run.unsynced.delete(no);
  }
}
