import { sleep, workflowInfo } from '@temporalio/workflow';
import { maxRunEvents } from './replay-contract.js';
import { summaryText } from './server-limits.js';

/** Milliseconds of the first pause, doubled each time, and of the longest. */
const firstPauseMs = 1000;
const longestPauseMs = 60_000;

/**
 * The pauses of a loop that waits for a condition and retries. The condition may seem to be met while the step still
 * fails, for example because of a quota: without pauses such a loop would fill the history at full speed.
 */
export class BackOff {
  private turns = 0;

  /**
   * Called before each turn of the loop: the first comes at once, the others after 1 s, 2 s, 4 s and so on, up to a
   * minute.
   */
  async pause(why: string): Promise<void> {
    const turn = this.turns;
    this.turns += 1;
    if (turn === 0) return;
    await sleep(Math.min(firstPauseMs * 2 ** (turn - 1), longestPauseMs), {
      summary: summaryText(why),
    });
  }

  /** The step has succeeded. */
  reset(): void {
    this.turns = 0;
  }
}

/** True when the run should continue as new. Every loop checks this in each turn. */
export function shouldContinueAsNew(): boolean {
  const { historyLength, continueAsNewSuggested } = workflowInfo();
  return historyLength > maxRunEvents || continueAsNewSuggested;
}
