import { transitionTape, markReadOnly } from '../../catalog/tapes/tape-states.js';
import { TapeflowFailure, describeError, systemErrorCode } from '../../config/failures.js';
import { sideOf } from '../../config/sides.js';
import { tapeNotReady } from '../../tape/drives/tape-not-ready.js';
import { isMediumError, isMountDeath, isTapeFull } from '../../tape/ltfs/ltfs.js';
import { identifyTape, type LoadedTape } from '../../tape/drives/loaded-tape.js';
import { writeFoundNoSpace } from '../../tape/requirements/tape-room.js';
import { protectionAdvice, untilRemounted, writeErrorReason } from '../../tape/ltfs/write-protection.js';
import { english } from '../../messages/sentence.js';
import type { Attempt } from '../attempt.js';
import type { DriveDeps } from '../deps.js';
import { distrust } from '../tapes/distrust-tape.js';

/**
 * Runs a write to a tape, or its sync, and checks afterwards that it is still the same tape. Decides what a failure
 * means for the tape: full, suspect (only what the last sync covered is trusted), or removed. In the last case nothing
 * counts either, but the tape is not to blame: the next sync finds out what it still holds.
 *
 * @param bytes bytes to be written; undefined for a sync.
 */
export async function onMedium<Result>(
  deps: DriveDeps,
  attempt: Attempt,
  tape: LoadedTape,
  bytes: number | undefined,
  work: () => Promise<Result>,
): Promise<Result> {
  let result: Result;
  try {
    result = await work();
  } catch (error) {
    // A stale attempt must not judge the tape.
    attempt.throwIfCancelled();
    deps.lock.check();
    throw await judge(deps, tape, bytes, error);
  }
  if (!(await isStillThere(deps, tape))) throw wentAway(tape);
  return result;
}

/** Decides what a failed write or sync means; returns the failure to throw. */
async function judge(
  deps: DriveDeps,
  tape: LoadedTape,
  bytes: number | undefined,
  error: unknown,
): Promise<unknown> {
  if (error instanceof TapeflowFailure && ['StagedArchiveDamaged', 'TapeNotReady'].includes(error.code)) {
    return error;
  }
  // Staging, a source or the catalog failed: the tape is not to blame.
  if (sideOf(error) !== 'tape' && !(error instanceof TapeflowFailure)) return error;
  const { name, pool } = tape.row;
  if (isMountDeath(error) || !(await isStillThere(deps, tape))) return wentAway(tape, error);
  // A sync needs no space: one without space has simply failed.
  if (isTapeFull(error) && bytes !== undefined) {
    await giveUpFull(deps, tape, bytes);
    return tapeNotReady(
      'full',
      english`The tape ${name} is full: a write found no space on it.`,
      english`Load another tape of pool ${pool}.`,
    );
  }
  if (!isMediumError(error) && !isTapeFull(error)) return error;
  const protection = await deps.drive.writeProtection().catch(() => undefined);
  const forGood = protection?.forGood === true;
  const isReadOnly = systemErrorCode(error) === 'EROFS';
  const more = forGood ? protection.why : isReadOnly ? untilRemounted : undefined;
  const failure = describeError(error).replace(/\.$/, '');
  const why = more === undefined ? failure : english`${failure}; ${more}`;
  const reason = writeErrorReason(bytes === undefined ? 'sync' : 'write', why);
  if (forGood) await markReadOnly(deps.catalog, tape.row.uuid, reason);
  await distrust(deps, tape, reason);
  return tapeNotReady(
    'suspect',
    bytes === undefined
      ? english`The sync of tape ${name} failed: ${why}; what its last sync did not cover is written again.`
      : english`A write to tape ${name} failed: ${why}; what its last sync did not cover is written again.`,
    forGood
      ? protectionAdvice(protection, tape.row)
      : english`Load another tape of pool ${pool}, or check this one and \`tapeflow tape trust ${name}\`.`,
  );
}

/**
 * If the tape still reports enough space, only a person may clear the state; otherwise it would be retried for ever.
 */
async function giveUpFull({ catalog, drive }: DriveDeps, { row }: LoadedTape, bytes: number): Promise<void> {
  const { free, capacity } = await drive.space();
  const says = free >= bytes + drive.reserve(capacity);
  await transitionTape(catalog, row.uuid, 'fill', says ? writeFoundNoSpace : english`no room`);
}

function wentAway({ row }: LoadedTape, error?: unknown): TapeflowFailure {
  return tapeNotReady(
    'went_away',
    error === undefined
      ? english`The tape ${row.name} went out of the drive while it was written.`
      : english`The tape ${row.name} went out of the drive while it was written
          (${describeError(error).replace(/\.$/, '')}).`,
    english`Load and mount it again; its unsynced archives are looked at then.`,
  );
}

async function isStillThere({ drive, catalog }: DriveDeps, tape: LoadedTape): Promise<boolean> {
  try {
    const now = await identifyTape(drive, catalog);
    return (
      now.row.uuid === tape.row.uuid &&
      now.medium.key === tape.medium.key &&
      now.medium.volume === tape.medium.volume
    );
  } catch (error) {
    if (error instanceof TapeflowFailure && error.kind === 'person') return false;
    throw error;
  }
}
