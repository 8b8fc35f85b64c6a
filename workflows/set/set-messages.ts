import {
  ApplicationFailure,
  setHandler,
  TemporalFailure,
  type CancellationScope,
} from '@temporalio/workflow';
import {
  cancelUpdate,
  pauseUpdate,
  progressQuery,
  resumeUpdate,
  retryFailedUpdate,
  tapeLoadedUpdate,
} from '../messages.js';
import { lookAgainFrom, type SetRun } from './set-run.js';
import { saveState, progressOf, updateDetails } from './set-phase.js';
import { failureReason } from '../step-failures.js';
import { english } from '../../messages/sentence.js';

/**
 * An update that throws (for example because of wrong arguments from the Temporal UI) fails only itself, not the
 * workflow.
 */
function answering<Args extends unknown[], Result>(handle: (...args: Args) => Result | Promise<Result>) {
  return async (...args: Args): Promise<Result> => {
    try {
      return await handle(...args);
    } catch (error) {
      if (error instanceof TemporalFailure) throw error;
      throw ApplicationFailure.nonRetryable(failureReason(error), 'UpdateFailed');
    }
  };
}

/** Why the set can no longer obey commands; undefined while it can. */
function whyNot(run: SetRun): string | undefined {
  if (run.cancel !== undefined) return english`it is being cancelled`;
  return run.over && !run.draining ? english`it is finishing: all that it could store is on tape` : undefined;
}

/** Validator that rejects a command which the set can no longer obey. */
function unlessEnding(run: SetRun) {
  return {
    validator: () => {
      const reason = whyNot(run);
      if (reason !== undefined) throw ApplicationFailure.nonRetryable(reason, 'TooLate');
    },
  };
}

/** Answers the queries and updates of a set; `work` is what a `cancel` ends. */
export function handleMessages(run: SetRun, work: CancellationScope): void {
  setHandler(progressQuery, () => progressOf(run));
  const changesPause = (paused: boolean) =>
    answering(async () => {
      run.paused = paused;
      if (!paused) run.tapeLoads += 1;
      updateDetails(run);
      await saveState(run);
    });
  setHandler(pauseUpdate, changesPause(true), unlessEnding(run));
  setHandler(resumeUpdate, changesPause(false), unlessEnding(run));
  setHandler(
    tapeLoadedUpdate,
    answering(() => {
      run.tapeLoads += 1;
    }),
    unlessEnding(run),
  );
  setHandler(
    retryFailedUpdate,
    answering(() => retryFailed(run)),
    unlessEnding(run),
  );
  setHandler(
    cancelUpdate,
    answering(({ discard }: { discard: boolean }) => {
      run.cancel ??= { discard };
      work.cancel();
    }),
    {
      validator: ({ discard }) => {
        if (!discard || run.cancel?.discard !== false) return;
        const reason = english`it is being cancelled, and what is staged is kept; \`cancel --discard\`
          deletes it then`;
        throw ApplicationFailure.nonRetryable(reason, 'TooLate');
      },
    },
  );
}

/** Queues the failed groups again; the feed starts them. The set does not end meanwhile. */
async function retryFailed(run: SetRun): Promise<number> {
  run.retrying += 1;
  try {
    const { groups, first } = await run.activities.bookkeeping.retryParkedGroups(run.input.setId);
    run.retries += 1;
    if (groups > 0) lookAgainFrom(run, first);
    return groups;
  } finally {
    run.retrying -= 1;
  }
}
