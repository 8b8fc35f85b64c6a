import { rmSync } from 'node:fs';
import path from 'node:path';
import { commitCompressed } from '../catalog/files.js';
import {
  archiveOf,
  beginCompressing,
  forgetArchive,
  groupOf,
  reserveStaging,
  staleAttempt,
  whileOwned,
  type ArchiveRow,
  type GroupRow,
} from '../catalog/groups.js';
import { systemErrorCode } from '../config/failures.js';
import { formatBytes } from '../config/sizes.js';
import { makeFolder, partsOf, publish, removeFile, sizeOf } from '../staging/durable-file.js';
import { archiveName, finalDir, manifestName, partName, tempDir } from '../staging/paths.js';
import { spaceOf } from '../tape/drive.js';
import { asAttempt, pause, type Attempt } from './attempt.js';
import { logStage, type Deps, type GroupRef } from './deps.js';
import { packGroup, type PackedGroup } from './pack-group.js';
import { setOptions } from './set-options.js';
import { setNamed } from '../catalog/sets.js';

/** Milliseconds between two looks whether staging has room. */
const roomEveryMs = 1000;

/**
 * What a group may take of staging besides its files' bytes: a tar header and its padding for each entry. Compression
 * takes more than that away again from all but incompressible files.
 */
const bytesPerEntry = 1024;

/**
 * Stage 1: packs a group into `temp/{set}/backup_….tar.gz`. Written as `.part`, synced and hashed; then committed in the
 * catalog, and only then named. A group that is further on already is left as it is.
 */
export function compressGroup(deps: Deps, ref: GroupRef): Promise<void> {
  return asAttempt(async (attempt) => {
    const { catalog, settings } = deps;
    const group = await groupOf(catalog, ref.setId, ref.group);
    const archive = await archiveOf(catalog, ref.setId, ref.group);
    if (archive !== undefined && group.state !== 'compressed') return;
    if (archive !== undefined && (await nameCompressed(deps, archive))) return;
    if (archive !== undefined) {
      const reason = 'its staged archive is gone';
      // Promoted by another attempt meanwhile: then nothing is gone.
      if (!(await forgetArchive(catalog, archive, reason, { in: 'compressed' }))) return;
      logStage(deps, 'lost', ref, { archive: archive.name });
    }
    const folder = tempDir(settings.BACKUP_COMPRESS_DIR, ref.setId);
    for (;;) {
      await waitForRoom(deps, ref, group, attempt);
      attempt.throwIfCancelled();
      if (!(await beginCompressing(catalog, ref.setId, ref.group, attempt.token))) return;
      await makeFolder(folder);
      await removeEarlier(deps, ref, attempt);
      if (await packAndName(deps, ref, group, attempt, folder)) return;
    }
  });
}

/**
 * Deletes what earlier attempts have staged of this group: the catalog knows of no archive, so none of it counts. A
 * damaged archive has the size of the one to come, and must not be taken for it.
 */
async function removeEarlier({ catalog, settings }: Deps, ref: GroupRef, attempt: Attempt): Promise<void> {
  const root = settings.BACKUP_COMPRESS_DIR;
  const owned = await whileOwned(catalog, { ...ref, token: attempt.token, state: 'compressing' }, () => {
    for (const folder of [tempDir(root, ref.setId), finalDir(root, ref.setId)]) {
      for (const name of [archiveName(ref.setId, ref.group), manifestName(ref.setId, ref.group)]) {
        for (const file of [name, ...partsOf(folder, name)]) rmSync(path.join(folder, file), { force: true });
      }
    }
  });
  if (!owned) throw staleAttempt(ref.setId, ref.group);
}

/** Packs once. False when staging ran full meanwhile: the part is deleted, and the group waits for room again. */
async function packAndName(
  deps: Deps,
  ref: GroupRef,
  group: GroupRow,
  attempt: Attempt,
  folder: string,
): Promise<boolean> {
  const began = performance.now();
  const archivePath = path.join(folder, partName(archiveName(ref.setId, ref.group), attempt.token));
  const manifestPath = path.join(folder, partName(manifestName(ref.setId, ref.group), attempt.token));
  logStage(deps, 'compressing', ref, { archive: archiveName(ref.setId, ref.group), bytes: group.bytes });
  let packed: PackedGroup;
  try {
    const { groupBytes } = setOptions(await setNamed(deps.catalog, ref.setId));
    const maxBytes = Math.max(groupBytes, group.bytes);
    packed = await packGroup(
      deps,
      ref,
      attempt,
      { archivePath, manifestPath, maxBytes, signal: attempt.signal },
      (now) => attempt.report({ step: 'compressing', group: ref.group, bytesTotal: group.bytes, ...now }),
    );
  } catch (error) {
    await removeFile(archivePath);
    await removeFile(manifestPath);
    const code = systemErrorCode(error);
    if (code !== 'ENOSPC' && code !== 'EDQUOT') throw error;
    deps.logger.warn(
      { setId: ref.setId, group: ref.group },
      `staging ran full while group ${ref.group} was compressed`,
    );
    await pause(attempt, roomEveryMs);
    return false;
  }
  attempt.throwIfCancelled();
  const { archive } = packed;
  const ms = performance.now() - began;
  await commitCompressed(deps.catalog, archive, packed.files, {
    reserved: archive.size + archive.manifest_size,
    ms,
    detail: `${archive.members} files, ${packed.skipped} skipped`,
  });
  await nameCompressed(deps, { ...archive, reserved: 0 } as unknown as ArchiveRow);
  logStage(deps, 'compressed', ref, {
    archive: archive.name,
    bytes: archive.size,
    ms,
    files: archive.members,
  });
  return true;
}

/**
 * Gives the committed bytes their name in `temp/`, unless a later step has moved them on.
 * @returns false when the bytes are nowhere: the group has to be compressed again.
 */
async function nameCompressed({ settings }: Deps, archive: ArchiveRow): Promise<boolean> {
  const temp = tempDir(settings.BACKUP_COMPRESS_DIR, archive.set_id);
  const final = finalDir(settings.BACKUP_COMPRESS_DIR, archive.set_id);
  const files = [
    { name: archive.name, size: archive.size },
    { name: archive.manifest_name, size: archive.manifest_size },
  ];
  for (const { name, size } of files) {
    const part = path.join(temp, partName(name, archive.token));
    if ((await sizeOf(part)) === size && (await publishPart(part, path.join(temp, name)))) continue;
    // In the order in which a file moves, so that one which moves meanwhile is seen.
    if ((await sizeOf(path.join(temp, name))) !== size && (await sizeOf(path.join(final, name))) !== size)
      return false;
  }
  return true;
}

/** Names a committed part; false when another attempt has named it meanwhile. */
async function publishPart(part: string, name: string): Promise<boolean> {
  try {
    await publish(part, name);
    return true;
  } catch (error) {
    if (systemErrorCode(error) !== 'ENOENT') throw error;
    return false;
  }
}

/** Waits until the group's bytes fit the staging budget and the disk. The promise to it is written in the catalog. */
async function waitForRoom(deps: Deps, ref: GroupRef, group: GroupRow, attempt: Attempt): Promise<void> {
  const { catalog, settings } = deps;
  const budget = settings.STAGING_MAX_BYTES;
  const need = Math.min(group.bytes + group.entries * bytesPerEntry, budget);
  await makeFolder(tempDir(settings.BACKUP_COMPRESS_DIR, ref.setId));
  for (let waited = 0; ; waited += 1) {
    const reserved = await reserveStaging(catalog, ref.setId, ref.group, need, budget);
    const { free } = await spaceOf(settings.BACKUP_COMPRESS_DIR);
    if (reserved && free >= need) return;
    const why = reserved
      ? `staging's disk has ${formatBytes(free)} free, and group ${ref.group} may need ${formatBytes(need)}`
      : `the staging budget of ${formatBytes(budget)} is taken`;
    attempt.report({ step: 'waiting for staging', group: ref.group, why });
    if (waited % 60 === 0)
      deps.logger.warn({ setId: ref.setId, group: ref.group }, `waiting for room: ${why}`);
    await pause(attempt, roomEveryMs);
  }
}
