import { setTimeout as sleep } from 'node:timers/promises';
import { describeError } from '../../config/failures.js';
import { terminateLegacyWorkflows } from '../server/legacy-workflow.js';
import { prepareServer } from '../server/prepare-server.js';
import { registerSchedules } from './schedules.js';
import { resumeUnfinished, type ResumeDeps } from './resume-unfinished.js';

/** Milliseconds before the first check: a command that has just started its server starts its own set first. */
const firstLookMs = 5000;

/** Reconciles catalog and server, at start and every `LOOK_AFTER_SECONDS`, until stopped. */
export function startReconciler(deps: ResumeDeps): { stop(): Promise<void> } {
  const { server, catalog, logger, settings } = deps;
  const everyMs = settings.LOOK_AFTER_SECONDS * 1000;
  const stopping = new AbortController();
  const { signal } = stopping;
  /** The server or the catalog may be away: like everything else, this waits for it. */
  const outlast = async (what: string, look: () => Promise<void>) => {
    try {
      await look();
    } catch (error) {
      if (signal.aborted) return;
      logger.warn({ err: error }, `${what} could not be checked: ${describeError(error)}`);
    }
  };
  let lookedForFormer = false;
  const endFormer = async () => {
    if (!lookedForFormer) await terminateLegacyWorkflows(server);
    lookedForFormer = true;
  };
  const run = async () => {
    for (let wait = Math.min(firstLookMs, everyMs); ; wait = everyMs) {
      await sleep(wait, undefined, { signal });
      await outlast('what an earlier version left behind', endFormer);
      await outlast('schedules', async () => {
        // Sets need search attributes that a namespace of an earlier version lacks.
        await prepareServer(server);
        const told = await registerSchedules(server, catalog);
        if (told.length > 0) logger.info({ schedules: told }, 'schedules were registered at the server');
      });
      await outlast('unfinished sets', () => resumeUnfinished(deps, signal));
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
