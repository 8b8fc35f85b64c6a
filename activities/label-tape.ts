import { labelTape, type LabelRequest } from '../tape/label-tape.js';
import { asAttempt } from './attempt.js';
import type { DriveDeps } from './deps.js';

/** Labels the tape in the drive, in the drive's slot, so that no write is under way meanwhile. */
export function labelLoadedTape(deps: DriveDeps, request: LabelRequest): Promise<string> {
  return asAttempt(async () => (await labelTape(deps.drive, deps.lock, deps.catalog, request)).uuid);
}
