import { labelTape, type LabelRequest } from '../../operations/tapes/label-tape.js';
import { asked } from '../asked.js';
import { asDriveAttempt } from '../attempt.js';
import { usualCondition } from '../conditions.js';
import type { DriveDeps } from '../../operations/deps.js';

/** Labels the tape in the drive, in the drive's slot, so that no write is under way meanwhile. */
export function labelLoadedTape(deps: DriveDeps, request: LabelRequest): Promise<string> {
  return asDriveAttempt(asked(deps), usualCondition, async () => {
    return (await labelTape(deps.drive, deps.lock, deps.catalog, request)).uuid;
  });
}
