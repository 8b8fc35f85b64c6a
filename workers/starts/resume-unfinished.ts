import { setTimeout as sleep } from 'node:timers/promises';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import { isRebuilt } from '../../catalog/rebuilt/rebuilt-sets.js';
import {
  finalRetrievalStates,
  recordRetrieval,
  recordRetrievalResume,
  retrievalNamed,
  unfinishedRetrievals,
} from '../../catalog/retrievals/retrievals.js';
import { finalSetStates } from '../../catalog/schema/set-tables.js';
import { setNamed, unfinishedSets } from '../../catalog/sets/sets.js';
import { recordResume, setResumeAttempts, type ResumeAttempts } from '../../catalog/sets/resume-attempts.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import { describeError } from '../../config/failures.js';
import type { Logger } from '../../config/logger.js';
import type { Settings } from '../../config/settings/settings.js';
import { backupWorkflowId, retrievalWorkflowId } from '../../workflows/workflow-ids.js';
import { startRetrieval } from './start-retrieval.js';
import { startSet } from './start-set.js';
import type { TemporalServer } from '../server/temporal-target.js';
import { workflowTrouble, type WorkflowTrouble } from '../server/workflow-trouble.js';
import { english } from '../../messages/sentence.js';

/** How often in a row something is resumed without progress before it is left to a person for a day. */
const maxResumes = 5;
/** How many checks each of them waits after the previous one. */
const looksBetween = [0, 1, 3, 10, 30];
/** Milliseconds that a command has to start what it created; after that, the command must have died. */
const startWithinMs = 60_000;
/** Milliseconds between the two checks that must agree: a command may be about to start, end or record it. */
const surelyAfterMs = 5000;

export interface ResumeDeps {
  server: TemporalServer;
  settings: Settings;
  catalog: Catalog;
  logger: Logger;
}

/** Something in the catalog that a workflow should be working on. */
interface Unfinished {
  id: string;
  workflowId: string;
  createdAt: number;
  /** Earlier automatic resumes, from the catalog. */
  before: () => Promise<ResumeAttempts>;
  hasEnded: () => Promise<boolean>;
  start: () => Promise<void>;
  /** Records that it was resumed that many times, or is left alone. */
  note: (stage: 'taken_up' | 'left_alone', times: number, why: string) => Promise<void>;
}

/**
 * Resumes what is unfinished in the catalog but no longer running on the server: its workflow failed, was terminated by
 * somebody, or was lost with the server's database. Whatever keeps ending at once is left alone, with a reason, for a
 * person to look at.
 */
export async function resumeUnfinished(deps: ResumeDeps, signal: AbortSignal): Promise<void> {
  const first = await abandoned(deps, await allUnfinished(deps));
  if (first.length === 0) return;
  await sleep(Math.min(surelyAfterMs, deps.settings.LOOK_AFTER_SECONDS * 1000), undefined, { signal });
  const second = await abandoned(
    deps,
    first.map(({ what }) => what),
  );
  for (const { what, trouble } of second) {
    const same = first.find((one) => one.what.id === what.id)?.trouble.runId === trouble.runId;
    if (!same || signal.aborted || (await what.hasEnded())) continue;
    try {
      await resumeOne(deps, what, trouble);
    } catch (error) {
      deps.logger.error(
        { id: what.id, err: error },
        `${what.id} could not be resumed: ${describeError(error)}`,
      );
    }
  }
}

/** Those that nothing works on. A stuck workflow still receives commands and is left to a person. */
async function abandoned(
  { server }: ResumeDeps,
  unfinished: readonly Unfinished[],
): Promise<{ what: Unfinished; trouble: WorkflowTrouble }[]> {
  const found: { what: Unfinished; trouble: WorkflowTrouble }[] = [];
  for (const what of unfinished) {
    const trouble = await workflowTrouble(server, what.workflowId);
    if (trouble === undefined || trouble.kind === 'stuck') continue;
    if (trouble.kind === 'unknown' && Date.now() - what.createdAt < startWithinMs) continue;
    found.push({ what, trouble });
  }
  return found;
}

async function resumeOne(deps: ResumeDeps, what: Unfinished, trouble: WorkflowTrouble): Promise<void> {
  const { logger, settings } = deps;
  const { times, at, leftAlone } = await what.before();
  if (times >= maxResumes) {
    if (leftAlone) return;
    const why = english`${trouble.finding}, ${times} times in a row`;
    await what.note('left_alone', times, why);
    logger.error({ id: what.id }, `${what.id} is left alone: ${why}`);
    return;
  }
  const pauseMs = (looksBetween[times] ?? 0) * settings.LOOK_AFTER_SECONDS * 1000;
  if (at !== null && Date.now() - at < pauseMs) return;
  try {
    await what.start();
  } catch (error) {
    // A command, or a worker on another machine, was faster.
    if (error instanceof WorkflowExecutionAlreadyStartedError) return;
    throw error;
  }
  await what.note('taken_up', times + 1, trouble.finding);
  logger.warn({ id: what.id, times: times + 1 }, `${what.id} is resumed: ${trouble.finding}`);
  // A cancel that came in between must not be undone: it found no workflow to notify.
  if (await what.hasEnded())
    await deps.server.client.workflow
      .getHandle(what.workflowId)
      .terminate('tapeflow: it was cancelled meanwhile');
}

async function allUnfinished(deps: ResumeDeps): Promise<Unfinished[]> {
  const { server, settings, catalog } = deps;
  const sets = (await unfinishedSets(catalog)).filter((set) => !isRebuilt(set));
  const retrievals = await unfinishedRetrievals(catalog);
  return [
    ...sets.map((set): Unfinished => {
      const { id } = set;
      return {
        id,
        workflowId: backupWorkflowId(id, server.installation),
        createdAt: set.created_at,
        before: () => setResumeAttempts(catalog, id, Date.now()),
        hasEnded: async () => finalSetStates.includes((await setNamed(catalog, id)).state),
        // Reread: somebody may have paused it meanwhile.
        start: async () => {
          const now = await setNamed(catalog, id);
          await startSet(server, catalog, now, {
            retry: false,
            paused: now.state === 'paused',
            onlyNew: true,
          });
        },
        note: (stage, _times, why) => recordResume(catalog, id, stage, why),
      };
    }),
    ...retrievals.map((row): Unfinished => {
      const { id } = row;
      const recent = row.taken_up_at !== null && Date.now() - row.taken_up_at < 86_400_000;
      return {
        id,
        workflowId: retrievalWorkflowId(id, server.installation),
        createdAt: row.created_at,
        before: async () => ({ times: recent ? row.taken_up : 0, at: row.taken_up_at, leftAlone: false }),
        hasEnded: async () => finalRetrievalStates.includes((await retrievalNamed(catalog, id)).state),
        start: () => startRetrieval(server, settings, catalog, row, true),
        // The same command continues with what is missing; until then nobody waits for it.
        note: (stage, times, why) =>
          stage === 'taken_up'
            ? recordRetrievalResume(catalog, id, times)
            : recordRetrieval(catalog, id, 'failed', english`${why}; the same command goes on with it`),
      };
    }),
  ];
}
