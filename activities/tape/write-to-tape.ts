import path from 'node:path';
import { staleAttempt } from '../../catalog/groups/attempt-tokens.js';
import { archiveOf, bytesWithManifest } from '../../catalog/groups/groups.js';
import { tapesOfGroup } from '../../catalog/copies/copies.js';
import { forgetArchive } from '../../catalog/groups/forget-archive.js';
import { requireTape } from '../../tape/requirements/require-tape.js';
import type { ArchiveRow } from '../../catalog/rows.js';
import { TapeflowFailure } from '../../config/failures.js';
import { removeFile } from '../../disk/durable-file.js';
import { finalDir } from '../../staging/paths.js';
import { tapeRequirements } from '../../tape/requirements/tape-requirements.js';
import { isTooLarge } from '../../tape/requirements/tape-limit.js';
import { asked } from '../asked.js';
import { asAttempt } from '../attempt.js';
import { driveCondition } from '../conditions.js';
import type { CopyRef, DriveDeps } from '../../operations/deps.js';
import { makeSmaller } from '../../operations/groups/make-smaller.js';
import {
  type StagedArchive,
  type WrittenArchive,
  earlierWrite,
  writeArchive,
} from '../../operations/copies/write-copy.js';
import { english } from '../../messages/sentence.js';

/**
 * Stage 4: writes a queued archive and its manifest to the tape in the drive. `syncTape` syncs and commits it later.
 * Fails with `TapeNotReady` when someone has to act first.
 *
 * @param wanted UUID of the only acceptable tape, when it holds unsynced archives of the set.
 * @param because why this copy is next, if the drive serves several; for people who are asked for a tape.
 */
export function writeToTape(
  deps: DriveDeps,
  { copyNo = 1, ...ref }: CopyRef,
  wanted?: string,
  because?: string,
): Promise<WrittenArchive> {
  return asAttempt(
    async (attempt) => {
      const { catalog, drive, lock } = deps;
      const archive = await archiveOf(catalog, ref.setId, ref.group);
      if (archive === undefined) {
        throw new TapeflowFailure(
          'StagedArchiveDamaged',
          english`Group ${ref.group} has no archive any more.`,
        );
      }
      const copy = { ...ref, copyNo };
      const earlier = await earlierWrite(catalog, copy, archive);
      if (earlier !== undefined) return earlier;
      const demand = await tapeRequirements(catalog, copy, wanted, because);
      const tape = await requireTape(drive, catalog, demand).catch(async (error: unknown) => {
        throw isTooLarge(error) ? await takeBackTooLarge(deps, copy, archive, error) : error;
      });
      const staged: StagedArchive = {
        folder: finalDir(deps.settings.BACKUP_COMPRESS_DIR, ref.setId),
        async lose(reason) {
          if (!(await forgetArchive(catalog, archive, reason))) throw staleAttempt(ref.setId, ref.group);
        },
      };
      return lock.hold(tape.medium, () => writeArchive(deps, copy, archive, staged, attempt, tape));
    },
    driveCondition,
    asked(deps, 'staging'),
  );
}

/**
 * The failure of a write whose archive fits no tape: the archive is forgotten and the group shrunk; then it is
 * compressed again, if anything is left. If another copy is on tape, the archive stays, and this copy cannot be made.
 */
async function takeBackTooLarge(
  deps: DriveDeps,
  { setId, group, copyNo }: Required<CopyRef>,
  archive: ArchiveRow,
  tooLarge: TapeflowFailure,
): Promise<TapeflowFailure> {
  const { catalog, settings } = deps;
  const [other] = await tapesOfGroup(catalog, setId, group);
  if (other !== undefined) {
    return new TapeflowFailure(tooLarge.code, english`${tooLarge.message} Tape ${other} holds it.`, {
      advice: english`Label a larger tape, then \`tapeflow retry ${setId}\` makes copy ${copyNo} too.`,
    });
  }
  const { message } = tooLarge;
  if (!(await forgetArchive(catalog, archive, message))) return staleAttempt(setId, group);
  const folder = finalDir(settings.BACKUP_COMPRESS_DIR, setId);
  // Before the group may be skipped: a group without an archive is never checked again.
  for (const name of [archive.name, archive.manifest_name]) await removeFile(path.join(folder, name));
  await makeSmaller(deps, { setId, group }, bytesWithManifest(archive));
  return new TapeflowFailure(
    'StagedArchiveDamaged',
    english`${message} It is made again without what is too large.`,
  );
}
