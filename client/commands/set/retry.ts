import { stateWord } from '../../../catalog/schema/state-words.js';
import type { Command } from 'commander';
import { setTimeout as sleep } from 'node:timers/promises';
import { skippedForSize } from '../../../catalog/groups/oversized-groups.js';
import { finalSetStates } from '../../../catalog/schema/set-tables.js';
import { requireOwnSet } from '../../../catalog/rebuilt/rebuilt-sets.js';
import { setNamed } from '../../../catalog/sets/sets.js';
import type { SetRow } from '../../../catalog/rows.js';
import { usageFailure } from '../../../config/failures.js';
import { setLimit, tooLargeText } from '../../../tape/requirements/tape-limit.js';
import { retryFailedUpdate } from '../../../workflows/messages.js';
import { formatCount } from '../../../config/counts.js';
import { inSession, type Session } from '../../session.js';
import { isRunning, withServer, type Server } from '../../server.js';
import { endIfStuck } from '../../follow/set-health.js';
import { beginAgain } from '../../follow/start-or-fail.js';
import { goOn } from '../../follow/follow-set.js';
import { updateSet } from '../../follow/tell-set.js';
import { english } from '../../../messages/sentence.js';
import { t } from '../../../messages/shown.js';

/** `retry SET`: the failed groups of a set are tried again. */
export function addRetry(program: Command): void {
  program
    .command('retry')
    .argument('<set>', 'the set')
    .option('--detach', 'return at once, and leave server and workers running')
    .action((setId: string, { detach }: { detach?: boolean }, command: Command) =>
      inSession(command, (session) => retry(session, setId, detach === true)),
    );
}

/** Puts the failed groups of a set back into its queue, in whatever state it is, and follows it. */
export async function retry(session: Session, setId: string, detach: boolean): Promise<void> {
  await setToRetry(session, setId);
  await withServer(session, async (server) => {
    await endIfStuck(server, setId);
    // It may have ended while the server was found or started.
    const set = await setToRetry(session, setId);
    if (finalSetStates.includes(set.state)) await untilClosed(server, setId);
    if (await isRunning(server, setId)) {
      const groups = await updateSet(session, server, setId, (handle) =>
        handle.executeUpdate(retryFailedUpdate),
      );
      if (!session.json) session.print(toTryAgain(set, groups));
    } else {
      await beginAgain(session, server, set, { retry: true });
    }
    await goOn(session, server, set, detach);
  });
}

/** The set as it is now. Throws when nothing of it can be tried again. */
async function setToRetry(session: Session, setId: string): Promise<SetRow> {
  const set = await setNamed(await session.catalog(), setId);
  requireWholeSet(set);
  requireOwnSet(set);
  if (set.state === 'completed' || set.state === 'completed_with_skips') await requireFitNow(session, set);
  return set;
}

function toTryAgain({ id, state }: SetRow, groups: number): string {
  if (groups === 0) return t`Set ${id} has no failed groups to try again.`;
  const found = formatCount(groups, 'failed group');
  return state === 'paused'
    ? t`Set ${id} has ${found} to try again, once it is resumed.`
    : t`Set ${id} has ${found} to try again.`;
}

/**
 * Throws when a complete set has nothing to do: only a file too large for every tape can be retried, with a larger
 * tape.
 */
async function requireFitNow(session: Session, set: SetRow): Promise<void> {
  const catalog = await session.catalog();
  const limit = await setLimit(catalog, set);
  const { groups, needs } = await skippedForSize(catalog, set.id, limit?.bytes ?? 0);
  if (groups.length > 0) return;
  const state = stateWord(set.state);
  throw usageFailure(
    'NothingToRetry',
    english`The set ${set.id} has no failed groups: it is ${state}.`,
    needs === undefined || limit === undefined
      ? undefined
      : english`A file of it is ${tooLargeText(needs, limit)}: label a larger one first.`,
  );
}

/** Milliseconds that the workflow of an ended set may take to close. */
const closeTimeoutMs = 10_000;

/** Waits until the workflow of an ended set has closed: until then it accepts no command. */
async function untilClosed(server: Server, setId: string): Promise<void> {
  const deadline = performance.now() + closeTimeoutMs;
  while (performance.now() < deadline && (await isRunning(server, setId))) await sleep(100);
}

/** Throws for a set that lost archives with an erased tape: it could otherwise end as if it had them. */
function requireWholeSet({ id, erased_at: erasedAt, reason, state }: SetRow): void {
  if (erasedAt === null) return;
  const discard =
    state === 'expired' ? '' : english`\`tapeflow cancel ${id} --discard\` deletes what is staged.`;
  throw usageFailure(
    'SetErased',
    english`The set ${id} cannot go on: ${reason ?? english`archives of it were erased`}.`,
    `${english`Begin a new one with \`tapeflow backup\`.`} ${discard}`.trimEnd(),
  );
}
