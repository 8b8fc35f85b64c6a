import { renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { staleAttempt } from '../../catalog/groups/attempt-tokens.js';
import { archiveOf, groupOf } from '../../catalog/groups/groups.js';
import { forgetArchive } from '../../catalog/groups/forget-archive.js';
import { whileOwned } from '../../catalog/groups/group-owner.js';
import { advanceGroup } from '../../catalog/groups/group-states.js';
import { copyHashed, UnreadableInput } from '../../disk/copy-hashed.js';
import { removeParts } from '../../disk/part-files.js';
import type { ArchiveRow } from '../../catalog/rows.js';
import { recordEvents } from '../../catalog/groups/events.js';
import { TapeflowFailure, systemErrorCode } from '../../config/failures.js';
import { fsyncFolder, makeFolder, removeFile, sizeOf } from '../../disk/durable-file.js';
import { finalDir, tempDir } from '../../staging/paths.js';
import { partName } from '../../entry/archive-name.js';
import type { Attempt } from '../../operations/attempt.js';
import type { Deps, GroupRef } from '../../operations/deps.js';
import { logStage } from '../../operations/groups/log-stage.js';
import { asRoomAttempt } from './staging-condition.js';
import { spaceShortage } from '../../operations/groups/staging-room.js';
import { type Staged, stagedFiles } from '../../staging/staged-files.js';
import { english } from '../../messages/sentence.js';

/**
 * Stage 2: moves a compressed archive and its manifest from `temp/` to `final/`.
 *
 * @returns `full` when `final/` is on a separate disk without room for them, like `compressGroup`.
 */
export function promoteArchive(deps: Deps, ref: GroupRef): Promise<'full' | undefined> {
  return asRoomAttempt(deps, ref, async (attempt) => {
    const { catalog, settings } = deps;
    const began = performance.now();
    const at = Date.now();
    const group = await groupOf(catalog, ref.setId, ref.group);
    const archive = await archiveOf(catalog, ref.setId, ref.group);
    if (archive === undefined) {
      throw new TapeflowFailure('StagedArchiveDamaged', english`Group ${ref.group} has no archive any more.`);
    }
    if (group.state !== 'compressed') return undefined;
    logStage(deps, 'promoting', ref, { archive: archive.name, bytes: archive.size });
    const from = tempDir(settings.BACKUP_COMPRESS_DIR, ref.setId);
    const to = finalDir(settings.BACKUP_COMPRESS_DIR, ref.setId);
    await makeFolder(to);
    const files = stagedFiles(archive);
    const own = (act: () => void) => whileCompressed(deps, archive, act);
    const promoting = { stage: 'promoting', bytes: archive.size, at };
    const renamed = await renameAll(files, { from, to }, own);
    // A slow move is announced first; an immediate one costs only one commit.
    if (!renamed) await recordEvents(catalog, [{ ...ref, ...promoting }]);
    for (const file of renamed ? [] : files) {
      const reason = await moveFile(ref, file, { from, to }, attempt, own);
      if (reason === 'full') return 'full';
      if (reason === undefined) continue;
      if (!(await forgetArchive(catalog, archive, reason, { in: 'compressed' }))) {
        throw staleAttempt(ref.setId, ref.group);
      }
      logStage(deps, 'lost', ref, { archive: archive.name });
      throw new TapeflowFailure('StagedArchiveDamaged', english`Group ${ref.group}: ${reason}.`);
    }
    const ms = performance.now() - began;
    const promoted = { stage: 'promoted', ms, bytes: archive.size };
    const events = renamed ? [promoting, promoted] : [promoted];
    await advanceGroup(catalog, ref.setId, ref.group, 'promote', ...events);
    logStage(deps, 'promoted', ref, { archive: archive.name, bytes: archive.size, ms });
    return undefined;
  });
}

/** Renames or deletes a file of the archive, unless another attempt has advanced the group meanwhile. */
async function whileCompressed(
  { catalog }: Deps,
  { set_id: setId, group_no: group, token }: ArchiveRow,
  act: () => void,
): Promise<void> {
  const owned = await whileOwned(catalog, { setId, group, token, state: 'compressed' }, act);
  if (!owned) throw staleAttempt(setId, group);
}

type WhileOwned = (act: () => void) => Promise<void>;

/**
 * Moves all files by renaming, which suffices on a single file system.
 * @returns false for other cases, which `moveFile` handles: two file systems, or an interrupted earlier attempt.
 */
async function renameAll(
  files: readonly Staged[],
  { from, to }: { from: string; to: string },
  own: WhileOwned,
): Promise<boolean> {
  for (const { name, size } of files) if ((await sizeOf(path.join(from, name))) !== size) return false;
  try {
    await own(() => {
      for (const { name } of files) renameSync(path.join(from, name), path.join(to, name));
    });
  } catch (error) {
    if (systemErrorCode(error) !== 'EXDEV') throw error;
    return false;
  }
  await fsyncFolder(to);
  await fsyncFolder(from);
  return true;
}

/**
 * Moves one file; across file systems by a hashed copy that is renamed when complete.
 * @returns why its bytes are not what was compressed; `full` when the other disk has no room for it; undefined when it
 *   was moved by this or an earlier attempt.
 */
async function moveFile(
  ref: GroupRef,
  file: Staged,
  folders: { from: string; to: string },
  attempt: Attempt,
  own: WhileOwned,
): Promise<string | undefined> {
  const from = path.join(folders.from, file.name);
  const to = path.join(folders.to, file.name);
  if ((await sizeOf(from)) !== file.size) {
    if ((await sizeOf(to)) !== file.size) return english`the staged ${from} is gone or has another size`;
    // An earlier attempt moved it but may have died before the names were durable.
    await fsyncFolder(folders.to);
    return undefined;
  }
  try {
    await own(() => renameSync(from, to));
  } catch (error) {
    if (systemErrorCode(error) !== 'EXDEV') throw error;
    await removeParts(folders.to, file.name);
    // Checked first: a copy retried again and again would fill the disk completely.
    if ((await spaceShortage(folders.to, ref, file.size)) !== undefined) return 'full';
    return copyAcross(ref, file, { from, to }, attempt, own);
  }
  await fsyncFolder(folders.to);
  await fsyncFolder(folders.from);
  return undefined;
}

async function copyAcross(
  ref: GroupRef,
  file: Staged,
  { from, to }: { from: string; to: string },
  attempt: Attempt,
  own: WhileOwned,
): Promise<string | undefined> {
  const part = path.join(path.dirname(to), partName(file.name, attempt.token));
  const guard = (bytesOut: number) => {
    attempt.throwIfCancelled();
    attempt.report({ step: 'moving', group: ref.group, bytesOut, bytesTotal: file.size });
  };
  try {
    const copied = await copyHashed({ from, to: part, sides: { from: 'staging', to: 'staging' }, guard });
    if (copied.sha256 !== file.sha256) {
      await removeFile(part);
      return english`the staged ${from} is not what was compressed`;
    }
  } catch (error) {
    await removeFile(part);
    if (error instanceof UnreadableInput) return error.message;
    throw error;
  }
  await own(() => renameSync(part, to));
  await fsyncFolder(path.dirname(to));
  await own(() => rmSync(from));
  return undefined;
}
