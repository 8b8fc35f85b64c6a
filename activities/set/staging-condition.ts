import { access, constants } from 'node:fs/promises';
import { systemErrorCode } from '../../config/failures.js';
import { SideError, onSide } from '../../config/sides.js';
import { formatBytes } from '../../config/sizes.js';
import { hasRoomFor, freeSpaceAt } from '../../disk/free-space.js';
import type { Asked } from '../asked.js';
import { asAttempt, catalogCondition, type Condition } from '../attempt.js';
import { pauseFor, type Attempt } from '../../operations/attempt.js';
import type { Deps, GroupRef } from '../../operations/deps.js';

/** Milliseconds between checks whether staging has room. */
const roomEveryMs = 1000;

/** Conditions of an activity that writes to staging: the disk is full or read-only, or the catalog is out of reach. */
function stagingCondition({ settings }: Pick<Deps, 'settings'>): Condition {
  return (error) => stagingIsFull(error, settings.BACKUP_COMPRESS_DIR) ?? catalogCondition(error);
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
  return asAttempt(step, catalogCondition, asks);
}

/** Why staging accepts no more, if that is what an error means. */
export function stagingIsFull(error: unknown, root: string): string | undefined {
  if (!(error instanceof SideError) || error.side !== 'staging') return undefined;
  const { code, path: where = root } = error;
  if (code === 'ENOSPC' || code === 'EDQUOT') return `staging's disk is full (${where}: ${code})`;
  return code === 'EROFS' ? `staging is read-only (${where})` : undefined;
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

/** Why there is no room, and whether only a person can free some. */
export interface Shortage {
  why: string;
  stuck: boolean;
}

/** The result of a room check, also when creating the folder finds the disk full or read-only. */
export async function shortageOrFull(
  root: string,
  look: () => Promise<Shortage | undefined>,
): Promise<Shortage | undefined> {
  try {
    return await onSide('staging', look);
  } catch (error) {
    const why = stagingIsFull(error, root);
    if (why === undefined) throw error;
    return { why, stuck: true };
  }
}

/** Free inodes required before an archive is put on a disk: for its files, their parts, and the folders above. */
const inodesNeeded = 16;

/**
 * Says that a folder's disk is read-only, or has too little space or too few inodes for a group; undefined when it has
 * enough.
 */
export async function spaceShortage(
  folder: string,
  ref: GroupRef,
  need: number,
): Promise<Shortage | undefined> {
  const room = await freeSpaceAt(folder);
  if (room.bytes < need) {
    const why =
      `staging's disk at ${folder} has ${formatBytes(room.bytes)} free, ` +
      `and group ${ref.group} may need ${formatBytes(need)}`;
    return { why, stuck: true };
  }
  if (!hasRoomFor(room, { bytes: need, inodes: inodesNeeded }))
    return { why: `staging's disk at ${folder} has room for no more files (inodes)`, stuck: true };
  try {
    await access(folder, constants.W_OK);
  } catch (error) {
    if (systemErrorCode(error) === 'EROFS') return { why: `staging is read-only (${folder})`, stuck: true };
  }
  return undefined;
}
