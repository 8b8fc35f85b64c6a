import { requireArchive } from '../../catalog/groups/groups.js';
import { pendingArchive, recordRetrieval } from '../../catalog/retrievals/retrievals.js';
import {
  type TapeSearch,
  type WantedTape,
  endSearch,
  noteMissing,
} from '../../catalog/retrievals/tape-search.js';
import { tapeByUuid } from '../../catalog/tapes/tapes.js';
import { TapeflowFailure } from '../../config/failures.js';
import { formatBytes } from '../../config/sizes.js';
import { pauseFor } from '../../operations/attempt.js';
import { requirementsOf } from '../../operations/copies/archive-to-copy.js';
import type { DriveDeps, RetrievalRef } from '../../operations/deps.js';
import { requireTape } from '../../tape/requirements/require-tape.js';
import { isTooLarge } from '../../tape/requirements/tape-limit.js';
import type { TapeRequirements } from '../../tape/requirements/tape-requirements.js';
import { english } from '../../messages/sentence.js';
import { asked } from '../asked.js';
import { asDriveAttempt } from '../attempt.js';
import { usualCondition } from '../conditions.js';
import { patientLooks } from '../retrieval/watch-for-retrieval.js';

/** Milliseconds between two checks of the drive. */
const lookEveryMs = 1000;

/**
 * Waits, for days if necessary, until a suitable tape for the archive is in the drive. Only reads.
 *
 * @param wanted UUID of the only tape that will do, since it is to be synced.
 * @param search several drives are looked at for such a tape, each by its own worker.
 * @returns UUID of the tape in the drive; null when nothing is to be written, or no tape takes it.
 */
export function watchForCopy(
  deps: DriveDeps,
  ref: RetrievalRef,
  wanted?: string,
  search?: TapeSearch,
): Promise<string | null> {
  const end = async (tape: string | null) => {
    if (search !== undefined) await endSearch(deps.catalog, ref.id, search, deps.drive.settings.name);
    return tape;
  };
  return asDriveAttempt(asked(deps), usualCondition, async (attempt) => {
    const { catalog, drive } = deps;
    for (let looks = 1; ; looks += 1) {
      const row = await pendingArchive(catalog, ref.id, ref.no);
      if (row === undefined) return end(null);
      const state = wanted === undefined ? undefined : (await tapeByUuid(catalog, wanted))?.state;
      if (state === 'suspect' || state === 'lost') return end(wanted ?? null);
      const archive = await requireArchive(catalog, row.set_id, row.group_no);
      const demand = requirementsOf(row, archive, wanted);
      try {
        const toSync = wanted !== undefined;
        const tape = await requireTape(drive, catalog, toSync ? { ...demand, next: undefined } : demand);
        return await end(tape.row.uuid);
      } catch (error) {
        if (isTooLarge(error)) return end(null);
        if (!(error instanceof TapeflowFailure) || error.kind !== 'person') throw error;
        if (search === undefined) await recordRetrieval(catalog, ref.id, 'waiting_for_tape', error.sentence);
        else await noteUnfit(deps, ref.id, search, error, { demand, patient: looks < patientLooks });
        attempt.report({
          step: 'waiting for tape',
          why: search === undefined ? error.sentence : error.message,
        });
      }
      await pauseFor(attempt, lookEveryMs);
    }
  });
}

/** Notes that a drive has no tape that an archive of a copy may be written to. */
async function noteUnfit(
  { catalog, drive }: DriveDeps,
  id: string,
  search: TapeSearch,
  { message, details }: TapeflowFailure,
  { demand, patient }: { demand: TapeRequirements; patient: boolean },
): Promise<void> {
  const reason = typeof details['reason'] === 'string' ? details['reason'] : 'unreadable';
  const { wanted, pool, next } = demand;
  const tape: WantedTape =
    wanted === undefined
      ? {
          any:
            next === undefined
              ? english`a tape of pool ${pool}`
              : english`a tape of pool ${pool} with room for ${formatBytes(next.bytes)}`,
        }
      : ((await tapeByUuid(catalog, wanted))?.name ?? wanted);
  const look = { reason, message, first: '', loaded: null };
  await noteMissing(catalog, id, search, drive.settings.name, { look, tape, patient });
}
