import path from 'node:path';
import { staleAttempt } from '../../catalog/groups/attempt-tokens.js';
import { archiveOf, bytesWithManifest } from '../../catalog/groups/groups.js';
import { copyOf } from '../../catalog/copies/copies.js';
import { beginCopy, recordWritten } from '../../catalog/copies/copy-states.js';
import { UnreadableInput } from '../../disk/copy-hashed.js';
import type { ArchiveRow } from '../../catalog/rows.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import { tapeByUuid } from '../../catalog/tapes/tapes.js';
import { TapeflowFailure, systemErrorCode } from '../../config/failures.js';
import { sideOf } from '../../config/sides.js';
import { removeFile } from '../../disk/durable-file.js';
import { confirmMedium } from '../../tape/drives/drive.js';
import { tapeNotReady } from '../../tape/drives/tape-not-ready.js';
import { isTapeFull } from '../../tape/ltfs/ltfs.js';
import type { LoadedTape } from '../../tape/drives/loaded-tape.js';
import {
  openTapeFolder,
  writeFileToTape,
  type StagedFile,
  type WriteOptions,
} from '../../tape/files/write-archive.js';
import { english } from '../../messages/sentence.js';
import type { Attempt } from '../attempt.js';
import type { CopyRef, DriveDeps, GroupRef } from '../deps.js';
import { logStage } from '../groups/log-stage.js';
import { onMedium } from './on-medium.js';

/** An archive that was written to a tape, and that counts once that is synced. */
export interface WrittenArchive {
  /** UUID of the tape. */
  tape: string;
  tapeName: string;
  /** Bytes of the archive and its manifest. */
  bytes: number;
}

/** What an earlier attempt has written of a copy; undefined when it still has to be written. */
export async function earlierWrite(
  catalog: Catalog,
  { setId, group, copyNo }: Required<CopyRef>,
  archive: ArchiveRow,
): Promise<WrittenArchive | undefined> {
  const copy = await copyOf(catalog, setId, group, copyNo);
  if (copy?.state !== 'written' && copy?.state !== 'committed') return undefined;
  const tapeName = (await tapeByUuid(catalog, copy.tape_uuid))?.name ?? '';
  return { tape: copy.tape_uuid, tapeName, bytes: bytesWithManifest(archive) };
}

/** Where an archive and its manifest are staged. */
export interface StagedArchive {
  folder: string;
  /** The manifest, if it is not the one made with the archive. */
  manifest?: { size: number; sha256: string } | undefined;
  lose(reason: string): Promise<void>;
}

/**
 * Writes archive and manifest to the held tape, and records the copy as written. Fails with `StagedArchiveDamaged` when
 * the staged bytes are not those of the archive.
 */
export async function writeArchive(
  deps: DriveDeps,
  { copyNo, ...ref }: Required<CopyRef>,
  made: ArchiveRow,
  staged: StagedArchive,
  attempt: Attempt,
  tape: LoadedTape,
): Promise<WrittenArchive> {
  const { catalog } = deps;
  const { manifest } = staged;
  const archive =
    manifest === undefined
      ? made
      : { ...made, manifest_size: manifest.size, manifest_sha256: manifest.sha256 };
  const { token } = attempt;
  const bytes = bytesWithManifest(archive);
  const began = performance.now();
  const files = stagedFiles(staged.folder, archive);
  const options = writeOptions(deps, ref, archive, attempt, tape);
  await beginCopy(catalog, { ...ref, copyNo, tape: tape.row, token, direct: false, manifest });
  logStage(deps, 'writing', ref, { archive: archive.name, bytes, tape: tape.row.name });
  await onMedium(deps, attempt, tape, bytes, async () => {
    try {
      await writeBoth(files, options);
    } catch (error) {
      if (!(error instanceof TapeflowFailure) || error.code !== 'StagedArchiveDamaged') throw error;
      attempt.throwIfCancelled();
      await staged.lose(error.message);
      logStage(deps, 'lost', ref, { archive: archive.name, reason: error.message });
      throw error;
    }
  });
  const ms = performance.now() - began;
  const speed = `${(bytes / 1e6 / Math.max(ms / 1000, 0.001)).toFixed(1)} MB/s`;
  attempt.throwIfCancelled();
  const event = { ms, bytes, detail: english`tape ${tape.row.name}, ${speed}` };
  if (!(await attempt.commit(() => recordWritten(catalog, { ...ref, copyNo, token }, event)))) {
    throw await takenOver(deps, { ...ref, copyNo }, tape, token);
  }
  logStage(deps, 'written', ref, { archive: archive.name, bytes, ms, speed, tape: tape.row.name });
  return { tape: tape.row.uuid, tapeName: tape.row.name, bytes };
}

/**
 * Why a written copy could not be recorded: the tape was distrusted meanwhile, or another attempt has begun the copy.
 */
export async function takenOver(
  { catalog }: DriveDeps,
  ref: Required<CopyRef>,
  { row }: LoadedTape,
  token: string,
): Promise<TapeflowFailure> {
  if ((await archiveOf(catalog, ref.setId, ref.group)) === undefined) {
    // A drive writing another copy found the staged bytes damaged.
    return new TapeflowFailure(
      'StagedArchiveDamaged',
      english`The archive of group ${ref.group} was taken back.`,
    );
  }
  const copy = await copyOf(catalog, ref.setId, ref.group, ref.copyNo);
  if (copy === undefined || (copy.state === 'lost' && copy.token === token)) {
    return tapeNotReady(
      'suspect',
      english`The tape ${row.name} was distrusted while group ${ref.group} was written to it.`,
      english`Load another tape of pool ${row.pool}.`,
    );
  }
  return staleAttempt(ref.setId, ref.group);
}

function stagedFiles(folder: string, archive: ArchiveRow): StagedFile[] {
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
  tape: LoadedTape,
): WriteOptions {
  const began = performance.now();
  return {
    mountPoint: drive.settings.path,
    setId: ref.setId,
    token: attempt.token,
    confirm: () => confirmMedium(drive.settings, tape.medium),
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

async function writeBoth(files: StagedFile[], options: WriteOptions): Promise<void> {
  options.guard(0);
  const folder = await openTapeFolder(
    options,
    files.map((file) => file.name),
  );
  for (const file of files) {
    try {
      await writeFileToTape(file, folder, options);
    } catch (error) {
      if (isTapeFull(error)) await takeBack(folder, files);
      const missing = sideOf(error) === 'staging' && systemErrorCode(error) === 'ENOENT';
      const damaged = error instanceof TapeflowFailure && error.code === 'StagedArchiveDamaged';
      const unreadable = error instanceof UnreadableInput;
      if (!missing && !damaged && !unreadable) throw error;
      const reason = missing
        ? english`The staged ${file.path} is gone.`
        : damaged
          ? error.sentence
          : messageOf(error);
      throw new TapeflowFailure('StagedArchiveDamaged', reason, { cause: error });
    }
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'error';
}

/** Removes an archive from a full tape if its manifest did not fit: both are written to the next one. */
async function takeBack(folder: string, files: readonly StagedFile[]): Promise<void> {
  for (const { name } of files) await removeFile(path.join(folder, name)).catch(() => false);
}
