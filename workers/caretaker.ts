import { setTimeout as sleep } from 'node:timers/promises';
import { describeError } from '../config/failures.js';
import { takeUp, type TakeUpDeps } from './take-up.js';

/** Milliseconds before the first look: a command that has just started its server starts its own set first. */
const firstLookMs = 5000;

/** Looks after what is in the catalog, at its beginning and every `LOOK_AFTER_SECONDS`, until it is stopped. */
export function startCaretaker(deps: TakeUpDeps): { stop(): Promise<void> } {
  const everyMs = deps.settings.LOOK_AFTER_SECONDS * 1000;
  const stopping = new AbortController();
  const { signal } = stopping;
  const run = async () => {
    for (let wait = Math.min(firstLookMs, everyMs); ; wait = everyMs) {
      await sleep(wait, undefined, { signal });
      try {
        await takeUp(deps, signal);
      } catch (error) {
        if (signal.aborted) return;
        // The server or the catalog is away: everything waits for it, and so does this.
        deps.logger.warn({ err: error }, `nobody could look after unfinished sets: ${describeError(error)}`);
      }
    }
  };
  const running = everyMs === 0 ? Promise.resolve() : run().catch(() => undefined);
  return {
    async stop() {
      stopping.abort();
      await running;
    },
  };
}
