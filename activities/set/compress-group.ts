import { rmSync } from 'node:fs';
import path from 'node:path';
import { commitCompressed } from '../../catalog/files/packed-files.js';
import { forgetArchive } from '../../catalog/groups/forget-archive.js';
import { reserveAndBegin, whileOwned } from '../../catalog/groups/group-owner.js';
import { partsOf } from '../../disk/part-files.js';
import { staleAttempt } from '../../catalog/groups/attempt-tokens.js';
import { archiveOf, bytesWithManifest, groupOf, maxArchiveBytes } from '../../catalog/groups/groups.js';
import type { ArchiveRow, GroupRow } from '../../catalog/rows.js';
import { TapeflowFailure, describeError, systemErrorCode } from '../../config/failures.js';
import { sideOf } from '../../config/sides.js';
import { setLimit } from '../../tape/requirements/tape-limit.js';
import { removeFile } from '../../disk/durable-file.js';
import { finalDir, tempDir } from '../../staging/paths.js';
import { partName } from '../../entry/archive-name.js';
import type { PackAsks } from '../../archive/pack/pack-in-thread.js';
import type { Attempt } from '../../operations/attempt.js';
import type { Deps, GroupRef } from '../../operations/deps.js';
import { filesOf, type GroupFiles } from '../../operations/groups/group-files.js';
import { logStage } from '../../operations/groups/log-stage.js';
import { afterLeft, askedByPack, askedSources, sourcesOfGroup, type AskedByThread } from './asked-sources.js';
import { beginPacking } from './first-archive.js';
import { makeSmaller } from '../../operations/groups/make-smaller.js';
import { packGroup, withGrowth, type PackedGroup } from '../../operations/groups/pack-group.js';
import { setOptions, type SetOptions } from '../../operations/sets/set-options.js';
import { asRoomAttempt } from './staging-condition.js';
import { setNamed } from '../../catalog/sets/sets.js';
import { diskShortage } from '../../operations/groups/staging-room.js';
import { nameCompressed } from '../../operations/groups/name-compressed.js';
import { english } from '../../messages/sentence.js';

/**
 * Stage 1: packs a group into `temp/{set}/backup_….tar.gz`. Written as `.part`, synced and hashed; then committed in
 * the catalog, and only then renamed. A group that is past this stage is left as it is.
 *
 * @returns `skipped` for a group without an archive, since no tape would take it; `full` when staging has no room for
 *   it: `waitForRoom` waits for that, so that the workflow knows and syncs and releases what is written at once.
 */
export function compressGroup(deps: Deps, ref: GroupRef): Promise<'skipped' | 'full' | undefined> {
  const asks = askedSources(deps.settings);
  const compress = async (attempt: Attempt) => {
    for (;;) {
      const result = await compressOnce(deps, ref, attempt, asks);
      if (result === 'done') return undefined;
      if (result !== 'smaller') return result;
    }
  };
  return asRoomAttempt(deps, ref, compress, asks);
}

/** `smaller`: its archive was too large for any tape, and files were left out. */
async function compressOnce(
  deps: Deps,
  ref: GroupRef,
  attempt: Attempt,
  asks: AskedByThread,
): Promise<'done' | 'skipped' | 'smaller' | 'full'> {
  const { catalog } = deps;
  const group = await groupOf(catalog, ref.setId, ref.group);
  if (group.state === 'skipped') return 'skipped';
  const archive = await archiveOf(catalog, ref.setId, ref.group);
  if (archive !== undefined && group.state !== 'compressed') return 'done';
  if (archive !== undefined && (await nameCompressed(deps, archive))) return 'done';
  if (archive !== undefined) {
    const reason = english`its staged archive is gone`;
    // Another attempt promoted it meanwhile, so nothing is gone.
    if (!(await forgetArchive(catalog, archive, reason, { in: 'compressed' }))) return 'done';
    logStage(deps, 'lost', ref, { archive: archive.name });
  }
  const needs = await oversizedBytes(deps, ref, group);
  if (needs !== undefined) return makeSmaller(deps, ref, needs);
  const set = await setNamed(catalog, ref.setId);
  await afterLeft(attempt, sourcesOfGroup(set, group));
  const begun = await beginWithRoom(deps, ref, group, attempt);
  if (begun !== 'begun') return begun;
  const options = setOptions(set);
  const files = filesOf(set, ref.group);
  await removeEarlier(deps, ref, attempt, files);
  const onStart = (pack: PackAsks) => asks.follow(askedByPack(pack, set, english`staging`));
  return packAndName(deps, ref, group, attempt, { ...options, files }, onStart).finally(() =>
    asks.follow(undefined),
  );
}

/**
 * Bytes of a group that fits neither staging nor any tape uncompressed; such a group is not compressed at all.
 * Undefined for any other.
 */
async function oversizedBytes(
  { catalog, settings }: Deps,
  ref: GroupRef,
  group: GroupRow,
): Promise<number | undefined> {
  const bytes = maxArchiveBytes(group);
  if (bytes <= settings.STAGING_MAX_BYTES) return undefined;
  const limit = await setLimit(catalog, await setNamed(catalog, ref.setId));
  return limit !== undefined && bytes > limit.bytes ? bytes : undefined;
}

/**
 * Deletes what earlier attempts staged of this group: the catalog has no archive of it, so nothing counts. A damaged
 * archive may have the right size and must not be mistaken for the new one.
 */
async function removeEarlier(
  { catalog, settings }: Deps,
  ref: GroupRef,
  attempt: Attempt,
  { archive, manifest }: GroupFiles,
): Promise<void> {
  const root = settings.BACKUP_COMPRESS_DIR;
  const owned = await whileOwned(catalog, { ...ref, token: attempt.token, state: 'compressing' }, () => {
    const names = [archive, manifest];
    for (const folder of [tempDir(root, ref.setId), finalDir(root, ref.setId)])
      for (const file of [...names, ...partsOf(folder, ...names)])
        rmSync(path.join(folder, file), { force: true });
  });
  if (!owned) throw staleAttempt(ref.setId, ref.group);
}

/**
 * Packs once. On failure its parts are deleted: an attempt that found staging full must not keep it full while waiting.
 */
async function packAndName(
  deps: Deps,
  ref: GroupRef,
  group: GroupRow,
  attempt: Attempt,
  { groupBytes, files }: SetOptions & { files: GroupFiles },
  onStart: (pack: PackAsks) => void,
): Promise<'done' | 'skipped' | 'smaller'> {
  const folder = tempDir(deps.settings.BACKUP_COMPRESS_DIR, ref.setId);
  const { archive: name, manifest } = files;
  const archivePath = path.join(folder, partName(name, attempt.token));
  const manifestPath = path.join(folder, partName(manifest, attempt.token));
  const packing = await beginPacking(deps.catalog, ref.setId, attempt);
  const began = performance.now();
  logStage(deps, 'compressing', ref, { archive: name, bytes: group.bytes });
  let packed: PackedGroup;
  try {
    const maxBytes = withGrowth(Math.max(groupBytes, group.bytes));
    packed = await packGroup(
      deps,
      ref,
      attempt,
      { archivePath, manifestPath, side: 'staging', maxBytes, signal: attempt.signal },
      (now) => {
        packing.note(now.bytesIn);
        attempt.report({ step: 'compressing', group: ref.group, bytesTotal: group.bytes, ...now });
      },
      onStart,
    );
  } catch (error) {
    await removeFile(archivePath);
    await removeFile(manifestPath);
    throw stagingFailure(error, ref, folder);
  } finally {
    packing.end();
  }
  attempt.throwIfCancelled();
  const { archive, files: fates, detail } = packed;
  const ms = performance.now() - began;
  const reserved = bytesWithManifest(archive);
  const limit = await setLimit(deps.catalog, await setNamed(deps.catalog, ref.setId));
  if (limit !== undefined && reserved > limit.bytes) {
    await removeFile(archivePath);
    await removeFile(manifestPath);
    return makeSmaller(deps, ref, reserved);
  }
  await attempt.commit(() => commitCompressed(deps.catalog, archive, fates, { reserved, ms, detail }));
  await nameCompressed(deps, { ...archive, reserved: 0 } as unknown as ArchiveRow);
  logStage(deps, 'compressed', ref, {
    archive: archive.name,
    bytes: archive.size,
    ms,
    files: archive.members,
  });
  return 'done';
}

/** A device error of staging names no file; this says where it happened. */
function stagingFailure(error: unknown, ref: GroupRef, folder: string): unknown {
  if (sideOf(error) !== 'staging' || systemErrorCode(error) !== 'EIO') return error;
  return new TapeflowFailure(
    'StagingFailed',
    english`The archive of group ${ref.group} could not be written to staging at ${folder}:
      ${describeError(error)}.`,
    {
      kind: 'transient',
      advice: english`Check that disk, then \`tapeflow retry ${ref.setId}\`.`,
      cause: error,
    },
  );
}

/** Assigns the group to this attempt if it fits the disk and the staging budget, which is reserved in the catalog. */
async function beginWithRoom(
  deps: Deps,
  ref: GroupRef,
  group: GroupRow,
  attempt: Attempt,
): Promise<'begun' | 'full' | 'done'> {
  const { catalog, settings } = deps;
  const budget = settings.STAGING_MAX_BYTES;
  const need = Math.min(maxArchiveBytes(group), budget);
  if ((await diskShortage(deps, ref, need)) !== undefined) return 'full';
  attempt.throwIfCancelled();
  return reserveAndBegin(catalog, { ...ref, token: attempt.token }, need, budget);
}
