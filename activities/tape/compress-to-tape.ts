import { forgetArchive } from '../../catalog/groups/forget-archive.js';
import { beginCompressing } from '../../catalog/groups/group-owner.js';
import { requireTape } from '../../tape/requirements/require-tape.js';
import { staleAttempt } from '../../catalog/groups/attempt-tokens.js';
import { archiveOf, groupOf } from '../../catalog/groups/groups.js';
import type { PackAsks } from '../../archive/pack/pack-in-thread.js';
import { setNamed } from '../../catalog/sets/sets.js';
import type { LoadedTape } from '../../tape/drives/loaded-tape.js';
import { tapeRequirements } from '../../tape/requirements/tape-requirements.js';
import { isTooLarge } from '../../tape/requirements/tape-limit.js';
import { asked } from '../asked.js';
import { asDriveAttempt } from '../attempt.js';
import { driveCondition } from '../conditions.js';
import type { DriveDeps, GroupRef } from '../../operations/deps.js';
import { AskedByThread, askedByPack } from '../set/asked-sources.js';
import { makeSmaller } from '../../operations/groups/make-smaller.js';
import { onMedium } from '../../operations/copies/on-medium.js';
import { earlierWrite, type WrittenArchive } from '../../operations/copies/write-copy.js';
import { packOnTape } from '../../operations/copies/pack-on-tape.js';
import { english } from '../../messages/sentence.js';

/**
 * Direct mode: compresses a group directly to tape, in the drive's slot, as `.part`; then the same steps as with
 * staging. The source's size must be free beforehand, since deleting frees nothing on a tape.
 */
export function compressToTape(
  deps: DriveDeps,
  ref: GroupRef,
  wanted?: string,
): Promise<WrittenArchive | null> {
  const asks = new AskedByThread(asked(deps));
  return asDriveAttempt(asks, driveCondition, async (attempt) => {
    const { catalog, drive, lock } = deps;
    if ((await groupOf(catalog, ref.setId, ref.group)).state === 'skipped') return null;
    const before = await archiveOf(catalog, ref.setId, ref.group);
    if (before !== undefined) {
      const earlier = await earlierWrite(catalog, { ...ref, copyNo: 1 }, before);
      if (earlier !== undefined) return earlier;
      await forgetArchive(catalog, before, english`its attempt ended before it was written`);
    }
    const tape = await roomyTape(deps, ref, wanted);
    if (tape === undefined) return null;
    const group = await groupOf(catalog, ref.setId, ref.group);
    const set = await setNamed(catalog, ref.setId);
    const onStart = (pack: PackAsks) =>
      asks.follow(askedByPack(pack, set, english`the drive ${drive.settings.name}`));
    return lock.hold(tape.medium, async () => {
      if (!(await beginCompressing(catalog, ref.setId, ref.group, attempt.token)))
        throw staleAttempt(ref.setId, ref.group);
      const pack = () => packOnTape(deps, ref, group, attempt, tape, onStart);
      return onMedium(deps, attempt, tape, group.bytes, () => pack().finally(() => asks.follow(undefined)));
    });
  });
}

/**
 * The tape in the drive, if the group fits after leaving out what is larger than any tape; undefined when nothing is
 * left of it.
 */
async function roomyTape(
  deps: DriveDeps,
  ref: GroupRef,
  wanted: string | undefined,
): Promise<LoadedTape | undefined> {
  for (;;) {
    const demand = await tapeRequirements(deps.catalog, { ...ref, copyNo: 1 }, wanted);
    try {
      return await requireTape(deps.drive, deps.catalog, demand);
    } catch (error) {
      if (!isTooLarge(error)) throw error;
    }
    if ((await makeSmaller(deps, ref, demand.next?.bytes ?? 0)) === 'skipped') return undefined;
  }
}
