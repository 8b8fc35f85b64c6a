import type { EraseWish } from '../catalog/erase.js';
import { eraseTape, type EraseContext, type Erased } from '../tape/erase-tape.js';
import { asked, catalogCondition, inDrive } from './attempt.js';
import type { DriveDeps } from './deps.js';
import { writeAgain } from './on-medium.js';

/** Erases the tape in the drive, in the drive's slot, so that nothing is written or read meanwhile. */
export function eraseLoadedTape(deps: DriveDeps, wish: EraseWish): Promise<Erased> {
  return inDrive(asked(deps), catalogCondition, (attempt) =>
    eraseTape(
      eraseContext(deps, () => attempt.throwIfCancelled()),
      wish,
    ),
  );
}

/** What erasing works with; `guard` throws to stop it. */
export function eraseContext(
  deps: Pick<DriveDeps, 'catalog' | 'logger' | 'drive' | 'lock'>,
  guard: () => void,
): EraseContext {
  const { catalog, drive, lock } = deps;
  return { catalog, drive, lock, guard, loseUnsynced: (tape, reason) => writeAgain(deps, tape, reason) };
}
