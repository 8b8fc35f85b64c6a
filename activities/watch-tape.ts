import { finalSetStates, type SetState } from '../catalog/schema.js';
import { recordSetState, setNamed } from '../catalog/sets.js';
import { tapeByUuid } from '../catalog/tapes.js';
import { TapeflowFailure } from '../config/failures.js';
import { requireOwnNames, requireTape } from '../tape/loaded-tape.js';
import { asAttempt, pause } from './attempt.js';
import type { Deps } from './deps.js';
import type { Drive } from '../tape/drive.js';

/** States that a wait for a tape does not hide. */
const saysMore: readonly SetState[] = ['paused', ...finalSetStates];

/** Milliseconds between two looks at the mount. */
const lookEveryMs = 1000;

export interface TapeWish {
  setId: string;
  /** UUID of the only tape that will do. */
  wanted?: string | undefined;
  /** Bytes of the next archive. */
  needBytes: number;
}

/**
 * Watches the drive, for days if it must, until a tape that the set may write is in it. Holds no slot of the drive and
 * only reads. While it waits, the set's reason in the catalog says what is in the drive now.
 *
 * @returns the tape's name; empty when the wanted tape is not trusted any more and need not come.
 */
export function watchTape(deps: Deps & { drive: Drive }, wish: TapeWish): Promise<string> {
  return asAttempt(async (attempt) => {
    const { catalog, drive } = deps;
    for (;;) {
      const { pool } = await setNamed(catalog, wish.setId);
      const wanted = wish.wanted === undefined ? undefined : await tapeByUuid(catalog, wish.wanted);
      if (wanted?.state === 'suspect') return '';
      try {
        const { wanted: only, needBytes } = wish;
        const tape = await requireTape(drive, catalog, { pool, wanted: only, needBytes });
        if (only === undefined) await requireOwnNames(drive, catalog, tape, wish.setId);
        return tape.row.name;
      } catch (error) {
        if (!(error instanceof TapeflowFailure) || error.kind !== 'person') throw error;
        await recordSetState(catalog, wish.setId, 'waiting_for_tape', error.sentence, saysMore);
        attempt.report({ step: 'waiting for tape', why: error.sentence });
      }
      await pause(attempt, lookEveryMs);
    }
  });
}
