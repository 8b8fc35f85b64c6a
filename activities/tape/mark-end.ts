import { unmarkedCopies, type UnmarkedCopy } from '../../catalog/sets/set-end.js';
import { TapeflowFailure } from '../../config/failures.js';
import { onSide } from '../../config/sides.js';
import type { LoadedTape } from '../../tape/drives/loaded-tape.js';
import { tapeRequirements } from '../../tape/requirements/tape-requirements.js';
import { requireTape } from '../../tape/requirements/require-tape.js';
import { tapeFolder } from '../../tape/files/write-archive.js';
import { asked } from '../asked.js';
import { asAttempt, asDriveAttempt } from '../attempt.js';
import { driveCondition } from '../conditions.js';
import type { Attempt } from '../../operations/attempt.js';
import type { Deps, DriveDeps } from '../../operations/deps.js';
import { onMedium } from '../../operations/copies/on-medium.js';
import { noteMarks, writeEndMarks } from '../../operations/copies/end-marks.js';

/** The copies of a complete set without an end mark on any tape. */
export function copiesWithoutMark({ catalog }: Deps, setId: string): Promise<UnmarkedCopy[]> {
  return asAttempt(() => unmarkedCopies(catalog, setId));
}

/**
 * Writes the end mark of one copy of a set to the tape with its newest archive, and syncs it; nothing if a tape already
 * has it. If that tape is no longer in the drive, nobody is asked for it: all archives are safe, and a catalog rebuilt
 * from the tapes only says that it cannot know whether the set ended.
 */
export function markEnd(deps: DriveDeps, setId: string, copyNo: number): Promise<void> {
  return asDriveAttempt(asked(deps), driveCondition, async (attempt) => {
    const { catalog, drive, lock, logger } = deps;
    const copy = (await unmarkedCopies(catalog, setId)).find((one) => one.copyNo === copyNo);
    if (copy === undefined) return;
    try {
      const demand = await tapeRequirements(catalog, { setId, copyNo }, copy.tape);
      const tape = await requireTape(drive, catalog, demand);
      await lock.hold(tape.medium, () => markHeld(deps, tape, setId, attempt));
    } catch (error) {
      if (!(error instanceof TapeflowFailure) || error.kind !== 'person') throw error;
      const told = { setId, copy: copyNo, tape: copy.tapeName, reason: error.message };
      logger.warn(told, 'the end of the set is not marked on the tape');
    }
  });
}

async function markHeld(deps: DriveDeps, tape: LoadedTape, setId: string, attempt: Attempt): Promise<void> {
  const { drive } = deps;
  const marks = await onMedium(deps, attempt, tape, undefined, async () => {
    const written = await writeEndMarks(deps, tape, [setId], attempt);
    const { path } = drive.settings;
    if (written.length > 0) await onSide('tape', () => drive.sync([tapeFolder(path, setId), path]));
    return written;
  });
  await noteMarks(deps, tape, marks);
}
