import { groupOf } from '../../catalog/groups/groups.js';
import { placesOf } from '../../catalog/sets/copy-places.js';
import { setNamed } from '../../catalog/sets/sets.js';
import { copyOf, writtenCopies } from '../../catalog/copies/copies.js';
import { asked } from '../asked.js';
import { asAttempt } from '../attempt.js';
import { driveCondition } from '../conditions.js';
import type { DriveDeps } from '../../operations/deps.js';
import { commitWritten } from '../../operations/copies/commit-copies.js';

export interface SyncResult {
  /** Groups whose copy is committed now (or was before). */
  committed: number[];
  /** Groups whose copy cannot be trusted and must be written again. */
  lost: number[];
  /** For a set with several copies: groups of which all copies are committed and which can be released. */
  whole?: number[];
}

/**
 * Syncs the tape (on LTFS its index), checks that each written archive has its size there, and commits them in the
 * catalog: `synced`, `committed`.
 *
 * @param groups the set's groups written to the tape since its last sync.
 * @param copyNo number of the copy.
 */
export function syncTape(
  deps: DriveDeps,
  setId: string,
  tape: string,
  groups: number[],
  copyNo = 1,
): Promise<SyncResult> {
  return asAttempt(
    async (attempt) => {
      const { catalog, lock } = deps;
      await commitWritten(deps, tape, await writtenCopies(catalog, tape, setId), attempt);
      const committed: number[] = [];
      const lost: number[] = [];
      const whole: number[] = [];
      const several = placesOf(await setNamed(catalog, setId)).length > 1;
      for (const group of groups) {
        const copy = await copyOf(catalog, setId, group, copyNo);
        (copy?.state === 'committed' ? committed : lost).push(group);
        const { state } = await groupOf(catalog, setId, group);
        if (state === 'committed' || state === 'released') whole.push(group);
      }
      lock.check();
      return several ? { committed, lost, whole } : { committed, lost };
    },
    driveCondition,
    asked(deps),
  );
}
