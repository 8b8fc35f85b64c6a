import path from 'node:path';
import { archiveOf, forgetArchive, groupOf, staleAttempt, type ArchiveRow } from '../catalog/groups.js';
import { isCatalogOutOfReach } from '../catalog/catalog-failure.js';
import { setNamed } from '../catalog/sets.js';
import { beginCopy, copyOf, loseUnsynced, recordWritten, updateTape } from '../catalog/tapes.js';
import { TapeflowFailure, describeError, systemErrorCode } from '../config/failures.js';
import { UnreadableSource } from '../staging/durable-file.js';
import { finalDir } from '../staging/paths.js';
import { tapeNotReady } from '../tape/drive.js';
import { isMediumError } from '../tape/ltfs.js';
import { identifyTape, requireTape, type LoadedTape } from '../tape/loaded-tape.js';
import { claimName, writeFileToTape, type StagedFile, type WriteOptions } from '../tape/write-archive.js';
import { asAttempt, type Attempt } from './attempt.js';
import { logStage, type Deps, type DriveDeps, type GroupRef } from './deps.js';

export interface WrittenArchive {
  /** UUID of the tape. */
  tape: string;
  tapeName: string;
  /** Bytes of the archive and its manifest. */
  bytes: number;
}

/**
 * Stage 4: writes a queued archive and its manifest to the tape in the drive. Synced and committed later, by
 * `syncTape`. Fails with `TapeNotReady` when a person has to act first.
 *
 * @param wanted UUID of the only tape that will do, when others of the set are not synced there yet.
 */
export function writeToTape(deps: DriveDeps, ref: GroupRef, wanted?: string): Promise<WrittenArchive> {
  return asAttempt(async (attempt) => {
    const { catalog, drive, lock } = deps;
    const done = await copyOf(catalog, ref.setId, ref.group);
    const archive = await archiveOf(catalog, ref.setId, ref.group);
    if (archive === undefined) {
      throw new TapeflowFailure('StagedArchiveDamaged', `Group ${ref.group} has no archive any more.`);
    }
    const bytes = archive.size + archive.manifest_size;
    if (done?.state === 'committed' || done?.state === 'written') {
      const row = await catalog
        .selectFrom('tapes')
        .select('name')
        .where('uuid', '=', done.tape_uuid)
        .executeTakeFirst();
      return { tape: done.tape_uuid, tapeName: row?.name ?? '', bytes };
    }
    const set = await setNamed(catalog, ref.setId);
    lock.hold(await drive.medium());
    const tape = await requireTape(drive, catalog, { pool: set.pool, wanted, needBytes: bytes });
    const { token } = attempt;
    const began = performance.now();
    // An earlier attempt of ours may have published on this tape; then the file there is ours to replace.
    const mayReplace = done?.tape_uuid === tape.row.uuid;
    const files = stagedFiles(deps, ref, archive);
    const options = writeOptions(deps, ref, archive, attempt, mayReplace);
    if (!mayReplace)
      await onMedium(deps, tape, async () => {
        for (const file of files) await claimName(file, options);
      });
    await beginCopy(catalog, { ...ref, tape: tape.row.uuid, token }, `tape ${tape.row.name}`);
    logStage(deps, 'writing', ref, { archive: archive.name, bytes, tape: tape.row.name });
    await onMedium(deps, tape, () => writeBoth(deps, ref, archive, files, options));
    const ms = performance.now() - began;
    const speed = `${(bytes / 1e6 / Math.max(ms / 1000, 0.001)).toFixed(1)} MB/s`;
    attempt.throwIfCancelled();
    const event = { ms, bytes, detail: `tape ${tape.row.name}, ${speed}` };
    if (!(await attempt.commit(() => recordWritten(catalog, { ...ref, token }, event)))) {
      throw staleAttempt(ref.setId, ref.group);
    }
    logStage(deps, 'written', ref, { archive: archive.name, bytes, ms, speed, tape: tape.row.name });
    return { tape: tape.row.uuid, tapeName: tape.row.name, bytes };
  });
}

function stagedFiles({ settings }: DriveDeps, ref: GroupRef, archive: ArchiveRow): StagedFile[] {
  const folder = finalDir(settings.BACKUP_COMPRESS_DIR, ref.setId);
  return [
    { name: archive.name, path: path.join(folder, archive.name), size: archive.size, sha256: archive.sha256 },
    {
      name: archive.manifest_name,
      path: path.join(folder, archive.manifest_name),
      size: archive.manifest_size,
      sha256: archive.manifest_sha256,
    },
  ];
}

function writeOptions(
  { drive, lock }: DriveDeps,
  ref: GroupRef,
  archive: ArchiveRow,
  attempt: Attempt,
  mayReplace: boolean,
): WriteOptions {
  const began = performance.now();
  return {
    mountPoint: drive.settings.path,
    setId: ref.setId,
    token: attempt.token,
    mayReplace,
    guard(written) {
      attempt.throwIfCancelled();
      lock.check();
      const seconds = (performance.now() - began) / 1000;
      attempt.report({
        step: 'writing',
        group: ref.group,
        bytesTotal: archive.size,
        bytesOut: written,
        seconds,
      });
    },
  };
}

async function writeBoth(
  deps: DriveDeps,
  ref: GroupRef,
  archive: ArchiveRow,
  files: StagedFile[],
  options: WriteOptions,
) {
  const { catalog } = deps;
  for (const file of files) {
    try {
      await writeFileToTape(file, options);
    } catch (error) {
      const missing =
        systemErrorCode(error) === 'ENOENT' && (error as NodeJS.ErrnoException).path === file.path;
      const damaged = error instanceof TapeflowFailure && error.code === 'StagedArchiveDamaged';
      const unreadable = error instanceof UnreadableSource;
      if (!missing && !damaged && !unreadable) throw error;
      const reason = missing ? `The staged ${file.path} is gone.` : describeError(error);
      if (!(await forgetArchive(catalog, archive, reason))) throw staleAttempt(ref.setId, ref.group);
      logStage(deps, 'lost', ref, { archive: archive.name, reason });
      throw new TapeflowFailure('StagedArchiveDamaged', reason, { cause: error });
    }
  }
}

/**
 * Runs a write to a tape, and looks afterwards that it is still the same tape. After an error of the medium nothing that
 * the last sync did not cover is trusted; a full tape is left for the next one.
 */
export async function onMedium<Result>(
  deps: DriveDeps,
  tape: LoadedTape,
  write: () => Promise<Result>,
): Promise<Result> {
  const { catalog, drive } = deps;
  const { uuid, name } = tape.row;
  let result: Result;
  try {
    result = await write();
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === 'ENOSPC' || code === 'EDQUOT') {
      await updateTape(catalog, uuid, { state: 'full', reason: 'a write found no space' });
      throw tapeNotReady('full', `The tape ${name} is full.`, `Load another tape of pool ${tape.row.pool}.`);
    }
    if (isMediumError(error) || (await whichTape(deps)) !== uuid) {
      await distrust(deps, tape, `a write on it failed: ${describeError(error)}`);
      throw tapeNotReady(
        'suspect',
        `A write to tape ${name} failed: ${describeError(error)}; what its last index sync did not cover is written again.`,
        `Load another tape of pool ${tape.row.pool}, or check this one and \`tapeflow tape trust ${name}\`.`,
      );
    }
    throw error;
  }
  const now = await drive.medium();
  if (now.key !== tape.medium.key || now.volume !== tape.medium.volume || (await whichTape(deps)) !== uuid) {
    await distrust(deps, tape, 'it was taken out of the drive during a write');
    throw tapeNotReady(
      'changed',
      `The tape ${name} was taken out while it was written.`,
      'Load it again, or another one.',
    );
  }
  return result;
}

/** UUID of the tape in the drive; undefined when none of ours is there. */
async function whichTape({ drive, catalog }: DriveDeps): Promise<string | undefined> {
  try {
    return (await identifyTape(drive, catalog)).row.uuid;
  } catch (error) {
    // A catalog that is out of reach says nothing about the tape.
    if (isCatalogOutOfReach(error)) throw error;
    return undefined;
  }
}

/** Marks a tape as suspect and everything unsynced on it as lost: those groups are written again. */
export async function distrust(
  deps: Pick<Deps, 'catalog' | 'logger'>,
  tape: Pick<LoadedTape, 'row'>,
  reason: string,
): Promise<void> {
  await updateTape(deps.catalog, tape.row.uuid, { state: 'suspect', reason });
  for (const lost of await loseUnsynced(deps.catalog, tape.row.uuid, reason)) {
    const group = await groupOf(deps.catalog, lost.setId, lost.group);
    // Direct archives have no staged bytes to write again.
    const archive = group.direct === 1 ? await archiveOf(deps.catalog, lost.setId, lost.group) : undefined;
    if (archive !== undefined) await forgetArchive(deps.catalog, archive, reason);
    logStage(deps, 'lost', lost, { reason });
  }
}
