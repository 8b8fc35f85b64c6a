import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { setsLeftOpen } from '../../catalog/hooks/hook-runs.js';
import { describeError } from '../../config/failures.js';
import type { Attempt } from '../../operations/attempt.js';
import type { Deps } from '../../operations/deps.js';
import { closeSources } from '../../operations/hooks/set-hook.js';

/** Milliseconds before the first look, and since the end of a set, whose own run may still do it. */
const firstLookMs = 5000;
const leftAfterMs = 60_000;

/**
 * Runs the `after` of sets of this host that have ended without it, such as those that were cancelled while the host
 * was away: at start, and every `LOOK_AFTER_SECONDS`, until stopped.
 *
 * @param host null: the home of the installation.
 */
export function watchLeftHooks(deps: Deps, host: string | null): { stop(): Promise<void> } {
  const { catalog, logger, settings } = deps;
  const everyMs = settings.LOOK_AFTER_SECONDS * 1000;
  const stopping = new AbortController();
  const { signal } = stopping;
  const look = async () => {
    for (const setId of await setsLeftOpen(catalog, host, Date.now() - leftAfterMs)) {
      signal.throwIfAborted();
      await closeSources(deps, setId, 'end', attemptUntil(signal));
    }
  };
  const run = async () => {
    for (let wait = Math.min(firstLookMs, everyMs); ; wait = everyMs) {
      await sleep(wait, undefined, { signal });
      await look().catch((error: unknown) => {
        if (!signal.aborted)
          logger.warn({ err: error }, `hooks that are left could not be run: ${describeError(error)}`);
      });
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

/** An attempt that no server knows of: the next look repeats it. */
function attemptUntil(signal: AbortSignal): Attempt {
  return {
    token: `left-${randomUUID()}`,
    signal,
    throwIfCancelled: () => signal.throwIfAborted(),
    report: () => undefined,
    commit: (step) => step(),
  };
}
