import type { EraseRequest } from '../../catalog/tapes/erase.js';
import { eraseTape, type Erased } from '../../operations/tapes/erase-tape.js';
import { asked } from '../asked.js';
import { asDriveAttempt } from '../attempt.js';
import { usualCondition } from '../conditions.js';
import type { DriveDeps } from '../../operations/deps.js';

/** Erases the tape in the drive, in the drive's slot, so that nothing is written or read meanwhile. */
export function eraseLoadedTape(deps: DriveDeps, wish: EraseRequest): Promise<Erased> {
  return asDriveAttempt(asked(deps), usualCondition, (attempt) =>
    eraseTape({ ...deps, guard: () => attempt.throwIfCancelled() }, wish),
  );
}
