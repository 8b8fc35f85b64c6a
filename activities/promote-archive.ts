import { renameSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import path from 'node:path';
import {
  advanceGroup,
  archiveOf,
  forgetArchive,
  groupOf,
  staleAttempt,
  whileOwned,
  type ArchiveRow,
} from '../catalog/groups.js';
import { recordEvents } from '../catalog/events.js';
import { TapeflowFailure, systemErrorCode } from '../config/failures.js';
import {
  copyHashed,
  fsyncFolder,
  makeFolder,
  removeFile,
  removeParts,
  sizeOf,
} from '../staging/durable-file.js';
import { finalDir, partName, tempDir } from '../staging/paths.js';
import { asAttempt, type Attempt } from './attempt.js';
import { logStage, type Deps, type GroupRef } from './deps.js';

/** Stage 2: moves a compressed archive and its manifest from `temp/` to `final/`. */
export function promoteArchive(deps: Deps, ref: GroupRef): Promise<void> {
  return asAttempt(async (attempt) => {
    const { catalog, settings } = deps;
    const began = performance.now();
    const group = await groupOf(catalog, ref.setId, ref.group);
    const archive = await archiveOf(catalog, ref.setId, ref.group);
    if (archive === undefined) {
      throw new TapeflowFailure('StagedArchiveDamaged', `Group ${ref.group} has no archive any more.`);
    }
    if (group.state !== 'compressed') return;
    await recordEvents(catalog, [{ ...ref, stage: 'promoting', bytes: archive.size }]);
    logStage(deps, 'promoting', ref, { archive: archive.name, bytes: archive.size });
    const from = tempDir(settings.BACKUP_COMPRESS_DIR, ref.setId);
    const to = finalDir(settings.BACKUP_COMPRESS_DIR, ref.setId);
    await makeFolder(to);
    const files = [
      { name: archive.manifest_name, size: archive.manifest_size, sha256: archive.manifest_sha256 },
      { name: archive.name, size: archive.size, sha256: archive.sha256 },
    ];
    const own = (act: () => void) => whileCompressed(deps, archive, act);
    for (const file of files) {
      if (await moveFile(file, from, to, attempt, own)) continue;
      const reason = `the staged ${path.join(from, file.name)} is gone or has another size`;
      if (!(await forgetArchive(catalog, archive, reason, { in: 'compressed' }))) {
        throw staleAttempt(ref.setId, ref.group);
      }
      logStage(deps, 'lost', ref, { archive: archive.name });
      throw new TapeflowFailure('StagedArchiveDamaged', `Group ${ref.group}: ${reason}.`);
    }
    const ms = performance.now() - began;
    await advanceGroup(catalog, ref.setId, ref.group, ['compressed'], 'promoted', {
      stage: 'promoted',
      ms,
      bytes: archive.size,
    });
    logStage(deps, 'promoted', ref, { archive: archive.name, bytes: archive.size, ms });
  });
}

/** Renames or deletes a file of the archive, unless another attempt has moved the group on meanwhile. */
async function whileCompressed(
  { catalog }: Deps,
  { set_id: setId, group_no: group, token }: ArchiveRow,
  act: () => void,
): Promise<void> {
  const owned = await whileOwned(catalog, { setId, group, token, state: 'compressed' }, act);
  if (!owned) throw staleAttempt(setId, group);
}

type WhileOwned = (act: () => void) => Promise<void>;

interface Staged {
  name: string;
  size: number;
  sha256: string;
}

/** Moves one file; across file systems by a hashed copy that gets its name when it is whole. False when it is nowhere. */
async function moveFile(
  file: Staged,
  fromDir: string,
  toDir: string,
  attempt: Attempt,
  own: WhileOwned,
): Promise<boolean> {
  const from = path.join(fromDir, file.name);
  const to = path.join(toDir, file.name);
  if ((await sizeOf(from)) !== file.size) {
    if ((await sizeOf(to)) !== file.size) return false;
    // Moved by an earlier attempt, which may have died before the names were durable.
    await fsyncFolder(toDir);
    return true;
  }
  try {
    await own(() => renameSync(from, to));
  } catch (error) {
    if (systemErrorCode(error) !== 'EXDEV') throw error;
    await copyAcross(file, from, to, attempt, own);
    return true;
  }
  await fsyncFolder(toDir);
  await fsyncFolder(fromDir);
  return true;
}

async function copyAcross(
  file: Staged,
  from: string,
  to: string,
  attempt: Attempt,
  own: WhileOwned,
): Promise<void> {
  await removeParts(path.dirname(to), file.name);
  const part = path.join(path.dirname(to), partName(file.name, attempt.token));
  const copied = await copyHashed({ from, to: part, guard: () => attempt.throwIfCancelled() });
  if (copied.sha256 !== file.sha256) {
    await removeFile(part);
    throw new TapeflowFailure(
      'StagedCopyDiffers',
      `The copy of ${from} to ${to} differs from what was compressed.`,
      {
        kind: 'transient',
      },
    );
  }
  await own(() => renameSync(part, to));
  await fsyncFolder(path.dirname(to));
  await own(() => rmSync(from));
}

/** True when both of a group's files can be opened in `final/` with the sizes that the catalog has. */
export async function isWholeInFinal(
  folder: string,
  archive: { name: string; size: number; manifest_name: string; manifest_size: number },
): Promise<boolean> {
  for (const [name, size] of [
    [archive.name, archive.size],
    [archive.manifest_name, archive.manifest_size],
  ] as const) {
    const file = path.join(folder, name);
    if ((await sizeOf(file)) !== size) return false;
    // Over NFS and SMB a name can be seen before its file can be read.
    await (await open(file, 'r')).close();
  }
  return true;
}
