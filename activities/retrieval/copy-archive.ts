import { lstat } from 'node:fs/promises';
import path from 'node:path';
import { reserveForCopy, unreserveForCopy } from '../../catalog/groups/staging-budget.js';
import { bytesWithManifest, requireArchive } from '../../catalog/groups/groups.js';
import type { ArchiveRow, RetrievalArchiveRow } from '../../catalog/rows.js';
import { isOnTape } from '../../catalog/copies/other-copy.js';
import { recordArchive, recordFailed, switchToOtherCopy } from '../../catalog/retrievals/read-results.js';
import { copyOf, writtenCopies } from '../../catalog/copies/copies.js';
import { recordVerified } from '../../catalog/copies/copy-findings.js';
import { copyHashed } from '../../disk/copy-hashed.js';
import { removeParts } from '../../disk/part-files.js';
import { requireTape } from '../../tape/requirements/require-tape.js';
import { pendingArchive, recordRetrieval } from '../../catalog/retrievals/retrievals.js';
import { tapeByUuid } from '../../catalog/tapes/tapes.js';
import {
  endSearch,
  noteMissing,
  type TapeSearch,
  type WantedTape,
} from '../../catalog/retrievals/tape-search.js';
import { TapeflowFailure, describeError } from '../../config/failures.js';
import { onSide, sideOf } from '../../config/sides.js';
import { formatBytes } from '../../config/sizes.js';
import { fsyncFolder, makeFolder, publish, removeFile, sizeOf } from '../../disk/durable-file.js';
import { dropFromCache } from '../../disk/page-cache.js';
import { copyDir } from '../../staging/paths.js';
import { partName } from '../../entry/archive-name.js';
import { confirmMedium } from '../../tape/drives/drive.js';
import { requireForReading, type LoadedTape } from '../../tape/drives/loaded-tape.js';
import { isMountDeath } from '../../tape/ltfs/ltfs.js';
import type { TapeRequirements } from '../../tape/requirements/tape-requirements.js';
import { isTooLarge, requireFits } from '../../tape/requirements/tape-limit.js';
import { examineManifest } from '../../archive/manifest/examine-manifest.js';
import { hashOf } from '../../tape/files/hash-file.js';
import { writeCatalogManifest } from '../../operations/rebuild/catalog-manifest.js';
import { asked } from '../asked.js';
import { asAttempt, asDriveAttempt } from '../attempt.js';
import { catalogCondition, driveCondition } from '../conditions.js';
import { pauseFor, type Attempt } from '../../operations/attempt.js';
import type { CopyRef, DriveDeps, RetrievalRef } from '../../operations/deps.js';
import { patientLooks } from './watch-for-retrieval.js';
import {
  spaceShortage,
  shortageOrFull,
  stagingIsFull,
  type Shortage,
} from '../../operations/groups/staging-room.js';
import { commitWritten } from '../../operations/copies/commit-copies.js';
import { earlierWrite, writeArchive, type WrittenArchive } from '../../operations/copies/write-copy.js';

/** Milliseconds between two checks of the drive or at staging. */
const lookEveryMs = 1000;

/** `full`: staging has no room for it now. `gone`: there is nothing to write. */
export type Fetched = 'staged' | 'full' | 'gone';

/**
 * Reads an archive to be copied, and its manifest, from the tape in the drive into staging, verifying their hashes. If
 * it is damaged, another copy is read later, or it is recorded as failed. Never waits for room: freeing some may need
 * this drive's slot. Fails with `TapeNotReady` when someone has to act first.
 */
export function fetchArchive(deps: DriveDeps, ref: RetrievalRef): Promise<Fetched> {
  return asDriveAttempt(asked(deps, ', or staging,'), catalogCondition, async (attempt) => {
    const { catalog, drive, settings, logger } = deps;
    const row = await pendingArchive(catalog, ref.id, ref.no);
    if (row === undefined || row.to_copy === null) return 'gone';
    const archive = await requireArchive(catalog, row.set_id, row.group_no);
    const folder = copyDir(settings.BACKUP_COMPRESS_DIR, ref.id);
    if (await onSide('staging', () => isStaged(folder, archive))) return 'staged';
    // Only its sync is missing.
    if ((await earlierWrite(catalog, copyRefOf(row), archive)) !== undefined) return 'staged';
    if (!(await isOnTape(catalog, row))) {
      await giveUpOrGoOn(
        deps,
        row,
        `Group ${row.group_no} of set ${row.set_id} is on no tape any more.`,
        null,
      );
      return 'gone';
    }
    const bytes = bytesWithManifest(archive);
    try {
      const what = `The archive of group ${row.group_no} of set ${row.set_id}`;
      await requireFits(catalog, row.to_pool ?? '', what, bytes);
    } catch (error) {
      if (!isTooLarge(error)) throw error;
      await recordFailed(catalog, row, error.sentence);
      return 'gone';
    }
    const tape = await onSide('tape', () => requireForReading(drive, catalog, row.tape_uuid));
    if (!(await reserveForCopy(catalog, { ...ref, bytes }, settings.STAGING_MAX_BYTES))) return 'full';
    let damage: string | undefined;
    try {
      damage = await onSide('staging', async () => {
        await makeFolder(folder);
        return copyFiles(deps, attempt, row, archive, folder, tape);
      });
    } catch (error) {
      const why = stagingIsFull(error, settings.BACKUP_COMPRESS_DIR);
      if (why === undefined) throw error;
      attempt.throwIfCancelled();
      logger.warn({ retrieval: ref.id, setId: row.set_id, group: row.group_no }, `waiting for room: ${why}`);
      await leaveRoom(deps, ref, folder, archive, attempt);
      return 'full';
    }
    attempt.throwIfCancelled();
    if (damage === undefined) return 'staged';
    await unreserveForCopy(catalog, ref.id, ref.no);
    await recordVerified(catalog, row, damage);
    await giveUpOrGoOn(deps, row, damage, damage);
    return 'gone';
  });
}

/** Releases the staging of an archive that did not fit. */
async function leaveRoom(
  { catalog }: DriveDeps,
  { id, no }: RetrievalRef,
  folder: string,
  archive: ArchiveRow,
  attempt: Attempt,
): Promise<void> {
  const { name, manifest_name: manifest } = archive;
  const files = [name, manifest, partName(name, attempt.token), partName(manifest, attempt.token)];
  // A read-only disk deletes nothing either.
  for (const file of files) await removeFile(path.join(folder, file)).catch(() => false);
  await unreserveForCopy(catalog, id, no);
}

/** Another copy is read later, or the archive fails. */
async function giveUpOrGoOn(
  { catalog }: DriveDeps,
  row: RetrievalArchiveRow,
  why: string,
  damage: string | null,
): Promise<void> {
  if ((await switchToOtherCopy(catalog, row, damage)) !== undefined) return;
  const restore =
    damage === null
      ? ''
      : ` No copy of group ${row.group_no} is whole, so that it is not copied; \`tapeflow restore ` +
        `${row.set_id} --target DIR\` brings back each file that one of them holds whole.`;
  await recordFailed(catalog, row, `${why}${restore}`);
}

async function isStaged(folder: string, archive: ArchiveRow): Promise<boolean> {
  return (
    (await sizeOf(path.join(folder, archive.name))) === archive.size &&
    (await sizeOf(path.join(folder, archive.manifest_name))) !== undefined
  );
}

/** The copy to be made. */
function copyRefOf(row: RetrievalArchiveRow): Required<CopyRef> {
  return { setId: row.set_id, group: row.group_no, copyNo: row.to_copy ?? 0 };
}

/**
 * What is wrong with the copy on the tape; undefined when it is completely staged. A missing or bad manifest does not
 * make the archive bad: it is written again from the catalog.
 */
async function copyFiles(
  deps: DriveDeps,
  attempt: Attempt,
  row: RetrievalArchiveRow,
  archive: ArchiveRow,
  folder: string,
  tape: LoadedTape,
): Promise<string | undefined> {
  const { catalog } = deps;
  const copy = await copyOf(catalog, row.set_id, row.group_no, row.copy_no);
  const { name, size, sha256, manifest_name: manifestName } = archive;
  const manifest = {
    name: manifestName,
    size: copy?.manifest_size ?? archive.manifest_size,
    sha256: copy?.manifest_sha256 ?? archive.manifest_sha256,
  };
  const staging = { deps, attempt, row, folder, tape };
  const damage = await copyFile(staging, { name, size, sha256 });
  if (damage !== undefined) return damage;
  if (manifest.sha256 !== '' && (await copyFile(staging, manifest)) === undefined) return undefined;
  const part = path.join(folder, partName(manifestName, attempt.token));
  await removeParts(folder, manifestName);
  await writeCatalogManifest(catalog, archive, part);
  await publish(part, path.join(folder, manifestName));
  return undefined;
}

interface Staging {
  deps: DriveDeps;
  attempt: Attempt;
  row: RetrievalArchiveRow;
  folder: string;
  tape: LoadedTape;
}

/** What is wrong with one file of the copy; undefined when it is completely staged. */
async function copyFile(
  { deps, attempt, row, folder, tape }: Staging,
  file: { name: string; size: number; sha256: string },
): Promise<string | undefined> {
  const { drive } = deps;
  const from = path.join(drive.settings.path, row.set_id, file.name);
  const part = path.join(folder, partName(file.name, attempt.token));
  attempt.throwIfCancelled();
  await removeParts(folder, file.name);
  const guard = (bytesOut: number) => {
    attempt.throwIfCancelled();
    attempt.report({ step: 'reading', group: row.group_no, bytesOut, bytesTotal: file.size });
  };
  try {
    if (!(await onSide('tape', () => lstat(from))).isFile()) return `The file ${from} is not a regular file.`;
    await dropFromCache(from);
    const copied = await copyHashed({ from, to: part, sides: { from: 'tape', to: 'staging' }, guard });
    if (copied.sha256 !== file.sha256 || copied.bytes !== file.size) {
      await removeFile(part);
      await confirmMedium(drive.settings, tape.medium);
      return `The file ${from} is not the one that was written (SHA-256 or size differs).`;
    }
  } catch (error) {
    await removeFile(part).catch(() => false);
    attempt.throwIfCancelled();
    if (sideOf(error) !== 'tape' || isMountDeath(error)) throw error;
    await confirmMedium(drive.settings, tape.medium);
    return `The file ${from} cannot be read: ${describeError(error)}.`;
  }
  attempt.throwIfCancelled();
  await publish(part, path.join(folder, file.name));
  return undefined;
}

/**
 * The staged manifest of a copy, if it is not the archive's own; undefined when it is. If it is neither that nor
 * complete, it counts as lost, like wrong staged bytes of the archive.
 */
async function stagedManifest(
  folder: string,
  { set_id: set, group_no: group, name, ...archive }: ArchiveRow,
): Promise<{ size: number; sha256: string } | undefined> {
  const file = path.join(folder, archive.manifest_name);
  if ((await sizeOf(file)) === undefined) return undefined;
  const found = await hashOf(file);
  if (found.sha256 === archive.manifest_sha256) return undefined;
  const facts = await examineManifest(file, { set, group, archives: [name] });
  return 'wrong' in facts || facts.end.sha256 !== archive.sha256 ? undefined : found;
}

/** Requirements for the tape that takes an archive of a copy. */
function requirementsOf(row: RetrievalArchiveRow, archive: ArchiveRow, wanted?: string): TapeRequirements {
  const { setId, group, copyNo } = copyRefOf(row);
  const because = `copy ${copyNo} of group ${group} of set ${setId}`;
  const next = { group, copyNo, bytes: bytesWithManifest(archive) };
  return { setId, pool: row.to_pool ?? '', wanted, next, because };
}

/**
 * Writes a staged archive of a copy to the tape in the drive; `syncCopies` then commits it. Null when there is nothing
 * left to write. Fails with `TapeNotReady` when someone has to act first.
 *
 * @param wanted UUID of the only acceptable tape, when it holds unsynced archives of the copy.
 */
export function storeArchive(
  deps: DriveDeps,
  ref: RetrievalRef,
  wanted?: string,
): Promise<WrittenArchive | null> {
  return asDriveAttempt(asked(deps, ', or staging,'), driveCondition, async (attempt) => {
    const { catalog, drive, lock } = deps;
    const row = await pendingArchive(catalog, ref.id, ref.no);
    if (row === undefined || row.to_copy === null) return null;
    const archive = await requireArchive(catalog, row.set_id, row.group_no);
    const copy = copyRefOf(row);
    const earlier = await earlierWrite(catalog, copy, archive);
    if (earlier !== undefined) return earlier;
    const folder = copyDir(deps.settings.BACKUP_COMPRESS_DIR, ref.id);
    const lose = async () => {
      attempt.throwIfCancelled();
      await removeStaged(folder, archive);
      await unreserveForCopy(catalog, ref.id, ref.no);
    };
    let tape: LoadedTape;
    try {
      tape = await requireTape(drive, catalog, requirementsOf(row, archive, wanted));
    } catch (error) {
      if (!isTooLarge(error)) throw error;
      await lose();
      await recordFailed(catalog, row, error.sentence);
      return null;
    }
    const manifest = await onSide('staging', () => stagedManifest(folder, archive));
    const staged = { folder, lose, manifest };
    return lock.hold(tape.medium, () => writeArchive(deps, copy, archive, staged, attempt, tape));
  });
}

async function removeStaged(folder: string, archive: ArchiveRow): Promise<void> {
  for (const name of [archive.name, archive.manifest_name]) await removeFile(path.join(folder, name));
}

/** Numbers of a copy's archives that are committed now, and of those that must be written again. */
export interface SyncedCopies {
  committed: number[];
  lost: number[];
}

/** Syncs the tape that a copy wrote to, commits the copies on it, and deletes them from staging. */
export function syncCopies(deps: DriveDeps, id: string, tape: string, nos: number[]): Promise<SyncedCopies> {
  return asDriveAttempt(asked(deps), driveCondition, async (attempt) => {
    const { catalog, lock } = deps;
    const rows: RetrievalArchiveRow[] = [];
    for (const no of nos) {
      const row = await pendingArchive(catalog, id, no);
      if (row !== undefined) rows.push(row);
    }
    const pending = (await writtenCopies(catalog, tape)).filter((copy) =>
      rows.some(
        (row) => row.set_id === copy.set_id && row.group_no === copy.group_no && row.to_copy === copy.copy_no,
      ),
    );
    await commitWritten(deps, tape, pending, attempt);
    attempt.throwIfCancelled();
    const result: SyncedCopies = { committed: [], lost: [] };
    for (const row of rows) {
      const copy = await copyOf(catalog, row.set_id, row.group_no, row.to_copy ?? 0);
      if (copy?.state === 'committed') await recordCopied(deps, row, copy.written_at);
      (copy?.state === 'committed' ? result.committed : result.lost).push(row.no);
    }
    lock.check();
    await fsyncFolder(copyDir(deps.settings.BACKUP_COMPRESS_DIR, id)).catch(() => undefined);
    return result;
  });
}

async function recordCopied(
  { catalog, settings, logger }: DriveDeps,
  row: RetrievalArchiveRow,
  writtenAt: number | null,
): Promise<void> {
  const archive = await requireArchive(catalog, row.set_id, row.group_no);
  await removeStaged(copyDir(settings.BACKUP_COMPRESS_DIR, row.retrieval_id), archive);
  const ms = Math.max(0, Date.now() - (writtenAt ?? Date.now()));
  const result = { state: 'done', restored: row.members, same: 0, kept: 0, failed: 0, ms } as const;
  await recordArchive(catalog, row.retrieval_id, row.no, result, []);
  await unreserveForCopy(catalog, row.retrieval_id, row.no);
  const { set_id: setId, group_no: group, to_copy: copy } = row;
  logger.info({ stage: 'copied', retrieval: row.retrieval_id, setId, group, copy }, 'archive copied');
}

/**
 * Waits, for days if necessary, until a suitable tape for the archive is in the drive. Only reads.
 *
 * @param wanted UUID of the only tape that will do, since it is to be synced.
 * @param search several drives are looked at for such a tape, each by its own worker.
 * @returns UUID of the tape in the drive; null when nothing is to be written, or no tape takes it.
 */
export function watchForCopy(
  deps: DriveDeps,
  ref: RetrievalRef,
  wanted?: string,
  search?: TapeSearch,
): Promise<string | null> {
  const end = async (tape: string | null) => {
    if (search !== undefined) await endSearch(deps.catalog, ref.id, search, deps.drive.settings.name);
    return tape;
  };
  return asDriveAttempt(asked(deps), catalogCondition, async (attempt) => {
    const { catalog, drive } = deps;
    for (let looks = 1; ; looks += 1) {
      const row = await pendingArchive(catalog, ref.id, ref.no);
      if (row === undefined) return end(null);
      const state = wanted === undefined ? undefined : (await tapeByUuid(catalog, wanted))?.state;
      if (state === 'suspect' || state === 'lost') return end(wanted ?? null);
      const archive = await requireArchive(catalog, row.set_id, row.group_no);
      const demand = requirementsOf(row, archive, wanted);
      try {
        const toSync = wanted !== undefined;
        const tape = await requireTape(drive, catalog, toSync ? { ...demand, next: undefined } : demand);
        return await end(tape.row.uuid);
      } catch (error) {
        if (isTooLarge(error)) return end(null);
        if (!(error instanceof TapeflowFailure) || error.kind !== 'person') throw error;
        if (search === undefined) await recordRetrieval(catalog, ref.id, 'waiting_for_tape', error.sentence);
        else await noteUnfit(deps, ref.id, search, error, { demand, patient: looks < patientLooks });
        attempt.report({
          step: 'waiting for tape',
          why: search === undefined ? error.sentence : error.message,
        });
      }
      await pauseFor(attempt, lookEveryMs);
    }
  });
}

/** Notes that a drive has no tape that an archive of a copy may be written to. */
async function noteUnfit(
  { catalog, drive }: DriveDeps,
  id: string,
  search: TapeSearch,
  { message, details }: TapeflowFailure,
  { demand, patient }: { demand: TapeRequirements; patient: boolean },
): Promise<void> {
  const reason = typeof details['reason'] === 'string' ? details['reason'] : 'unreadable';
  const { wanted, pool, next } = demand;
  const tape: WantedTape =
    wanted === undefined
      ? {
          any: `a tape of pool ${pool}${next === undefined ? '' : ` with room for ${formatBytes(next.bytes)}`}`,
        }
      : ((await tapeByUuid(catalog, wanted))?.name ?? wanted);
  const look = { reason, message, first: '', loaded: null };
  await noteMissing(catalog, id, search, drive.settings.name, { look, tape, patient });
}

/** Waits until staging has room for an archive to be copied, in its budget and on its disk. */
export function waitForCopyRoom(deps: DriveDeps, ref: RetrievalRef): Promise<void> {
  return asAttempt(async (attempt) => {
    const { catalog, settings } = deps;
    const budget = settings.STAGING_MAX_BYTES;
    for (;;) {
      const row = await pendingArchive(catalog, ref.id, ref.no);
      if (row === undefined || !(await isOnTape(catalog, row))) return;
      const archive = await requireArchive(catalog, row.set_id, row.group_no);
      const bytes = bytesWithManifest(archive);
      const lack = await copyShortage(deps, row, bytes);
      if (lack === undefined && (await reserveForCopy(catalog, { ...ref, bytes }, budget))) return;
      attempt.report({
        ...{ step: 'waiting for staging', why: `the staging budget of ${formatBytes(budget)} is taken` },
        ...lack,
      });
      await pauseFor(attempt, lookEveryMs);
    }
  });
}

/** Why the staging disk has no room for an archive; undefined when it has. */
async function copyShortage(
  { settings }: DriveDeps,
  { retrieval_id: id, set_id: setId, group_no: group }: RetrievalArchiveRow,
  bytes: number,
): Promise<Shortage | undefined> {
  const folder = copyDir(settings.BACKUP_COMPRESS_DIR, id);
  return shortageOrFull(settings.BACKUP_COMPRESS_DIR, async () => {
    await makeFolder(folder);
    return spaceShortage(folder, { setId, group }, bytes);
  });
}
