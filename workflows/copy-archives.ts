import {
  CancellationScope,
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
import { failureReason, failureType, outlivingWorkers } from './set-run.js';

/** Events after which the run continues as new: all that it knows is in the catalog. */
const eventsPerRun = 3000;
/** In the drives' queues copies come after backups (3) and restores (1). */
const priority = { priorityKey: 5 };
/** Times that an archive is read anew because its staged bytes were lost, before it is given up. */
const mostDamages = 5;

/** What one page of archives needs of its two loops. */
interface Copying {
  /** Staged and not written yet. */
  staged: NextArchive[];
  /** Written and not synced yet, with the tape's UUID. */
  unsynced: Map<number, { next: NextArchive; tape: string; bytes: number }>;
  reader: 'reading' | 'full' | 'ended';
  storing: boolean;
}

/**
 * A copy of archives from tape to tape, through staging. With two drives one reads while the other writes; with one it
 * reads until staging is full, then writes what it has read, so that its tapes are changed as seldom as staging allows.
 */
export async function copyArchives(input: CopyInput): Promise<RetrievalSummary> {
  const { id, drive, toDrive, options } = input;
  const policies = activityOptions(options, drive);
  const target = activityOptions(options, toDrive);
  const host = proxyActivities<DriveHostActivities>(policies.host);
  const from = proxyActivities<DriveActivities>({ ...policies.read, priority });
  const to = proxyActivities<DriveActivities>({ ...target.drive, priority });
  const fromHost = proxyActivities<DriveHostActivities>(policies.watchTape);
  const toHost = proxyActivities<DriveHostActivities>(target.watchTape);
  const damages = new Map<number, number>();

  const waiting = async (reason: string, watch: (summary: string) => Promise<void>) => {
    setCurrentDetails(`**${id}** · waiting: ${reason}`);
    await host.recordRetrievalState(id, 'waiting_for_tape', reason);
    await outlivingWorkers(() => watch(reason.slice(0, 180)));
    await host.recordRetrievalState(id, 'running', null);
  };

  const fetchAll = async (page: NextArchive[], run: Copying) => {
    for (const next of page) {
      const ref = { id, no: next.no };
      for (let done = false; !done;) {
        try {
          const summary = `${next.setId} group ${next.group}: read`;
          setCurrentDetails(`**${id}** · reading group ${next.group} of set ${next.setId}`);
          const fetched = await outlivingWorkers(() =>
            from.fetchArchive.executeWithOptions({ summary }, [ref]),
          );
          done = fetched !== 'full';
          if (fetched === 'staged') run.staged.push(next);
          if (fetched !== 'full') continue;
          run.reader = 'full';
          const hasNone = () => run.staged.length === 0 && run.unsynced.size === 0 && !run.storing;
          const held = hasNone();
          await condition(hasNone);
          // Nothing of it is ours: others hold it.
          if (held) await outlivingWorkers(() => fromHost.waitForCopyRoom(ref));
          run.reader = 'reading';
        } catch (error) {
          if (isCancellation(error)) throw error;
          const reason = failureReason(error);
          if (failureType(error) === 'TapeNotReady')
            await waiting(reason, (summary) =>
              fromHost.watchForRetrieval.executeWithOptions({ summary }, [ref]),
            );
          else {
            await host.giveUpArchive(ref, reason);
            done = true;
          }
        }
      }
    }
    run.reader = 'ended';
  };

  const sync = async (run: Copying) => {
    const tapes = new Set([...run.unsynced.values()].map((written) => written.tape));
    for (const tape of tapes) {
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
        if (failureType(error) === 'TapeNotReady') {
          const [no = 0] = nos;
          await waiting(reason, (summary) =>
            toHost.watchForCopy.executeWithOptions({ summary }, [{ id, no }, tape]),
          );
          continue;
        }
        for (const no of nos) await host.giveUpArchive({ id, no }, reason);
      }
      for (const no of nos) run.unsynced.delete(no);
    }
  };

  const storeOne = async (next: NextArchive, run: Copying) => {
    const ref = { id, no: next.no };
    const wanted = [...run.unsynced.values()].at(-1)?.tape;
    try {
      const summary = `${next.setId} group ${next.group}: write`;
      setCurrentDetails(`**${id}** · writing group ${next.group} of set ${next.setId}`);
      const written = await outlivingWorkers(() =>
        to.storeArchive.executeWithOptions({ summary }, [ref, wanted]),
      );
      if (written !== null) run.unsynced.set(next.no, { next, tape: written.tape, bytes: written.bytes });
    } catch (error) {
      if (isCancellation(error)) throw error;
      const reason = failureReason(error);
      const type = failureType(error);
      if (type === 'TapeNotReady') {
        run.staged.unshift(next);
        if (run.unsynced.size > 0) await sync(run);
        else await waiting(reason, (summary) => toHost.watchForCopy.executeWithOptions({ summary }, [ref]));
      } else if (type === 'StagedArchiveDamaged' && (damages.get(next.no) ?? 0) < mostDamages) {
        // It is still to be read, and comes with the next page.
        damages.set(next.no, (damages.get(next.no) ?? 0) + 1);
      } else await host.giveUpArchive(ref, reason);
    }
  };

  const storeAll = async (run: Copying) => {
    const mayStore = () => run.staged.length > 0 && (drive !== toDrive || run.reader !== 'reading');
    const mustSync = () => {
      if (run.unsynced.size === 0) return false;
      let bytes = 0;
      for (const written of run.unsynced.values()) bytes += written.bytes;
      return bytes >= input.syncBytes || (run.staged.length === 0 && run.reader !== 'reading');
    };
    const ended = () => run.reader === 'ended' && run.staged.length === 0 && run.unsynced.size === 0;
    for (;;) {
      await condition(() => mayStore() || mustSync() || ended());
      if (mustSync()) {
        await sync(run);
        continue;
      }
      if (ended()) return;
      run.storing = true;
      const next = run.staged.shift();
      if (next !== undefined) await storeOne(next, run);
      run.storing = false;
    }
  };

  try {
    for (let page = await host.nextArchives(id); page.length > 0; page = await host.nextArchives(id)) {
      const run: Copying = { staged: [], unsynced: new Map(), reader: 'reading', storing: false };
      await Promise.all([fetchAll(page, run), storeAll(run)]);
      if (workflowInfo().historyLength > eventsPerRun) return await continueAsNew<typeof copyArchives>(input);
    }
    return await host.finishRetrieval(id);
  } catch (error) {
    if (isCancellation(error))
      await CancellationScope.nonCancellable(() =>
        host.recordRetrievalState(id, 'cancelled', 'cancelled by a command'),
      );
    throw error;
  }
}
