import type { SetState } from '../../catalog/schema/set-tables.js';
import { requireTape } from '../../tape/requirements/require-tape.js';
import { SetRetention } from '../../catalog/sets/set-retention.js';
import { placesOf } from '../../catalog/sets/copy-places.js';
import { recordSetState } from '../../catalog/sets/set-states.js';
import { setNamed } from '../../catalog/sets/sets.js';
import { recyclableTapes } from '../../catalog/tapes/tape-retention.js';
import { tapeByUuid } from '../../catalog/tapes/tapes.js';
import { TapeflowFailure } from '../../config/failures.js';
import type { LoadedTape } from '../../tape/drives/loaded-tape.js';
import { isTooLarge } from '../../tape/requirements/tape-limit.js';
import { tapeRequirements, type TapeRequirements } from '../../tape/requirements/tape-requirements.js';
import { asked } from '../asked.js';
import { asDriveAttempt } from '../attempt.js';
import { usualCondition } from '../conditions.js';
import { pauseFor } from '../../operations/attempt.js';
import type { Deps } from '../../operations/deps.js';
import type { Drive } from '../../tape/drives/drive.js';
import { english } from '../../messages/sentence.js';

/** States that a wait for a tape may follow; `paused` says more than it. */
const mayWait: readonly SetState[] = ['scanning', 'running', 'waiting_for_tape'];

/** Number of checks between searches for recyclable tapes, which read every copy in the catalog. */
const looksPerAdvice = 60;
/** Milliseconds between two checks of the mount. */
const lookEveryMs = 1000;

export interface TapeWatchRequest {
  setId: string;
  /** UUID of the only acceptable tape. */
  wanted?: string | undefined;
  /** The group whose archive is next; if undefined, the tape is only needed for its sync. */
  group?: number | undefined;
  /** The copy to be written next, if the set has several, and why that one. */
  copyNo?: number | undefined;
  because?: string | undefined;
  /** Other copies that the same drive writes, with their next groups: a tape for one of them is fine too. */
  others?: { copyNo: number; group: number }[] | undefined;
  /** Waits for a drive that somebody else holds, and ends when it is free, whatever is in it then. */
  held?: true | undefined;
}

/**
 * Watches the drive, for days if necessary, until it holds a tape that the set may write to. Holds no drive slot and
 * only reads. While it waits, the set's reason in the catalog says what is in the drive.
 *
 * @returns the tape's name; empty when no tape is needed: the wanted one is no longer trusted, or none could take the
 *   archive.
 */
export function watchTape(deps: Deps & { drive: Drive }, wish: TapeWatchRequest): Promise<string> {
  return asDriveAttempt(asked(deps), usualCondition, async (attempt) => {
    const { catalog } = deps;
    let said: string | undefined;
    let advice = '';
    for (let look = 0; ; look += 1) {
      const wanted = wish.wanted === undefined ? undefined : await tapeByUuid(catalog, wish.wanted);
      if (wanted?.state === 'suspect' || wanted?.state === 'lost') return '';
      try {
        const demand = await tapeRequirements(catalog, wish, wish.wanted, wish.because);
        return (await suitableTape(deps, wish, demand)).row.name;
      } catch (error) {
        if (isTooLarge(error)) return '';
        if (!(error instanceof TapeflowFailure) || error.kind !== 'person') throw error;
        if (wish.held === true && error.details['reason'] !== 'drive_held') return '';
        if (wish.wanted === undefined && look % looksPerAdvice === 0)
          advice = await recyclableAdvice(deps, wish);
        const sentence = advice === '' ? error.sentence : `${error.sentence} ${advice}`;
        // Changed free space of the same tape is no news and must not fill the events during a long wait.
        const news = sentence.replace(/[\d.]+ [kMGTP]?B\b/g, '');
        const quietly = said === news;
        // Another drive of the set may be waiting too: without news, leave the reason to it.
        const alone = wish.copyNo === undefined || !quietly;
        const only = alone ? mayWait : mayWait.filter((state) => state !== 'waiting_for_tape');
        await recordSetState(catalog, wish.setId, 'waiting_for_tape', sentence, { only, quietly });
        said = news;
        attempt.report({ step: 'waiting for tape', why: sentence });
      }
      await pauseFor(attempt, lookEveryMs);
    }
  });
}

/** Advice on tapes of the set's pool that could be erased and reused. */
async function recyclableAdvice(
  { catalog, settings }: Deps,
  { setId, copyNo = 1 }: TapeWatchRequest,
): Promise<string> {
  const places = placesOf(await setNamed(catalog, setId));
  const pool = places[copyNo - 1]?.pool ?? '';
  const now = Date.now();
  const names = await recyclableTapes(
    catalog,
    pool,
    await SetRetention.of(catalog, settings.retentions),
    now,
  );
  const [first] = names;
  if (first === undefined) return '';
  return names.length === 1
    ? english`Of pool ${pool} the tape ${first} is recyclable: \`tapeflow tape erase ${first} --yes\`
        with it in the drive erases it, so that it can be written to again.`
    : english`Of pool ${pool} the tapes ${names.slice(0, 10).join(', ')} are recyclable:
        \`tapeflow tape erase ${first} --yes\` with it in the drive erases it,
        so that it can be written to again.`;
}

/** The tape in the drive, if it is suitable for the next copy or another one. */
async function suitableTape(
  { catalog, drive }: Deps & { drive: Drive },
  { setId, others = [] }: TapeWatchRequest,
  demand: TapeRequirements,
): Promise<LoadedTape> {
  try {
    return await requireTape(drive, catalog, demand);
  } catch (error) {
    if (!(error instanceof TapeflowFailure) || error.kind !== 'person') throw error;
    for (const other of others) {
      const tape = await requireTape(
        drive,
        catalog,
        await tapeRequirements(catalog, { setId, ...other }, undefined),
      ).catch(() => undefined);
      if (tape !== undefined) return tape;
    }
    throw error;
  }
}
