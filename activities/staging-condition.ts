import { SideError, onSide } from '../config/sides.js';
import { formatBytes } from '../config/sizes.js';
import { spaceOf } from '../tape/drive.js';
import { asAttempt, catalogCondition, pause, type Attempt, type Condition } from './attempt.js';
import type { Deps, GroupRef } from './deps.js';

/** Milliseconds between two looks whether staging has room. */
const roomEveryMs = 1000;

/** Conditions of an activity that writes to staging: its disk is full or read-only, or the catalog is out of reach. */
function stagingCondition({ settings }: Pick<Deps, 'settings'>): Condition {
  const root = settings.BACKUP_COMPRESS_DIR;
  return (error) => {
    if (!(error instanceof SideError) || error.side !== 'staging') return catalogCondition(error);
    const { code, path: where = root } = error;
    if (code === 'ENOSPC' || code === 'EDQUOT') return `staging's disk is full (${where}: ${code})`;
    if (code === 'EROFS') return `staging is read-only (${where})`;
    return undefined;
  };
}

/**
 * Runs the body of an activity whose files are those of staging, but for what it meets elsewhere and says so; a condition of
 * staging is waited for.
 */
export function asStagingAttempt<Result>(
  deps: Pick<Deps, 'settings'>,
  body: (attempt: Attempt) => Promise<Result>,
): Promise<Result> {
  return asAttempt((attempt) => onSide('staging', () => body(attempt)), stagingCondition(deps));
}

/**
 * Waits until a disk of staging has room, for days if it must; says so in the heartbeat, and at times in the log.
 *
 * @param lacks looks: why there is no room, and whether only a person can make it; undefined when there is.
 */
export async function waitForSpace(
  deps: Deps,
  ref: GroupRef,
  attempt: Attempt,
  lacks: () => Promise<{ why: string; stuck: boolean } | undefined>,
): Promise<void> {
  for (let waited = 0; ; waited += 1) {
    const lack = await lacks();
    if (lack === undefined) return;
    attempt.report({ step: 'waiting for staging', group: ref.group, ...lack });
    if (waited % 60 === 0)
      deps.logger.warn({ setId: ref.setId, group: ref.group }, `waiting for room: ${lack.why}`);
    await pause(attempt, roomEveryMs);
  }
}

/** Says that a folder's disk has fewer free bytes than a group needs; undefined when it has enough. */
export async function lackOfSpace(
  folder: string,
  ref: GroupRef,
  need: number,
): Promise<{ why: string; stuck: boolean } | undefined> {
  const { free } = await spaceOf(folder);
  if (free >= need) return undefined;
  const why = `staging's disk at ${folder} has ${formatBytes(free)} free, and group ${ref.group} may need ${formatBytes(need)}`;
  return { why, stuck: true };
}
