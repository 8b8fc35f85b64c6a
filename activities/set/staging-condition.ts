import { onSide } from '../../config/sides.js';
import type { Asked } from '../asked.js';
import { asAttempt } from '../attempt.js';
import { usualCondition, type Condition } from '../conditions.js';
import { pauseFor, type Attempt } from '../../operations/attempt.js';
import type { Deps, GroupRef } from '../../operations/deps.js';
import { type Shortage, stagingIsFull } from '../../operations/groups/staging-room.js';

/** Milliseconds between checks whether staging has room. */
const roomEveryMs = 1000;

/** Conditions of an activity that writes to staging: the disk is full or read-only, or the catalog is out of reach. */
function stagingCondition({ settings }: Pick<Deps, 'settings'>): Condition {
  return (error) => stagingIsFull(error, settings.BACKUP_COMPRESS_DIR) ?? usualCondition(error);
}

/**
 * Runs the body of an activity that works on staging; returns `full` when a staging disk accepts no more. `waitForRoom`
 * waits for that, so that the workflow knows and syncs and releases what is written at once.
 */
export function asRoomAttempt<Result>(
  deps: Deps,
  ref: GroupRef,
  body: (attempt: Attempt) => Promise<Result>,
  asks?: Asked,
): Promise<Result | 'full'> {
  const step = async (attempt: Attempt): Promise<Result | 'full'> => {
    try {
      return await onSide('staging', () => body(attempt));
    } catch (error) {
      const why = stagingIsFull(error, deps.settings.BACKUP_COMPRESS_DIR);
      if (why === undefined) throw error;
      attempt.throwIfCancelled();
      deps.logger.warn({ setId: ref.setId, group: ref.group }, `no room: ${why}`);
      return 'full';
    }
  };
  return asAttempt(step, usualCondition, asks);
}

/**
 * Runs the body of an activity that works on staging; errors without another side belong to staging, and conditions of
 * staging are waited for.
 */
export function asStagingAttempt<Result>(
  deps: Pick<Deps, 'settings'>,
  body: (attempt: Attempt) => Promise<Result>,
): Promise<Result> {
  return asAttempt((attempt) => onSide('staging', () => body(attempt)), stagingCondition(deps));
}

/**
 * Waits until a staging disk has room, for days if necessary; reports it in the heartbeat and sometimes in the log.
 *
 * @param lacks checks why there is no room, and whether only a person can free some; undefined when there is room.
 */
export async function waitForSpace(
  deps: Deps,
  ref: GroupRef,
  attempt: Attempt,
  lacks: () => Promise<Shortage | undefined>,
): Promise<void> {
  for (let waited = 0; ; waited += 1) {
    const lack = await lacks();
    if (lack === undefined) return;
    attempt.report({ step: 'waiting for staging', group: ref.group, ...lack });
    if (waited % 60 === 0)
      deps.logger.warn({ setId: ref.setId, group: ref.group }, `waiting for room: ${lack.why}`);
    await pauseFor(attempt, roomEveryMs);
  }
}
