import { lstat } from 'node:fs/promises';
import path from 'node:path';
import { decodeBlocks } from '../../entry/block-index.js';
import { fromBytes, toBytes, displayName } from '../../entry/byte-string.js';
import { formatOf } from '../../entry/archive-format.js';
import type { Overwrite, WantedMember } from '../../archive/unpack/unpack-options.js';
import { ArchiveUnreadable, unpackInThread } from '../../archive/unpack/unpack-in-thread.js';
import { holderOf, tarOffsetOf } from '../../catalog/files/files.js';
import type { FileRow, ArchiveRow, RetrievalArchiveRow, RetrievalRow } from '../../catalog/rows.js';
import { requireArchive, groupOf } from '../../catalog/groups/groups.js';
import { isOnTape } from '../../catalog/copies/other-copy.js';
import {
  type CopyRead,
  type MemberCounts,
  recordFailed,
  recordRestored,
  recordVerify,
  switchToOtherCopy,
} from '../../catalog/retrievals/read-results.js';
import { copyOf } from '../../catalog/copies/copies.js';
import { missedMembers, type RetrievalProblem } from '../../catalog/retrievals/retrieval-problems.js';
import { pendingArchive, retrievalNamed, selectionOf } from '../../catalog/retrievals/retrievals.js';
import { selectedFiles } from '../../catalog/files/selected-files.js';
import { forgetMark, wasMarked } from '../../catalog/sets/set-end.js';
import { tapeByUuid } from '../../catalog/tapes/tapes.js';
import { formatCount, formatNumber } from '../../config/counts.js';
import { describeError, systemErrorCode } from '../../config/failures.js';
import { ownEntries } from '../../disk/own-folders.js';
import { onSide, sideOf } from '../../config/sides.js';
import { dropFromCache, syncFileSystem } from '../../disk/page-cache.js';
import { confirmMedium } from '../../tape/drives/drive.js';
import { hasEndMark } from '../../tape/labels/end-mark.js';
import { hashOf } from '../../tape/files/hash-file.js';
import { requireForReading, type LoadedTape } from '../../tape/drives/loaded-tape.js';
import { isMountDeath } from '../../tape/ltfs/ltfs.js';
import { asked } from '../asked.js';
import { catalogCondition, asDriveAttempt, type Attempt } from '../attempt.js';
import type { DriveDeps } from '../deps.js';
import { lookAtTarget } from './look-at-target.js';
import { requireTarget, targetFailure } from './restore-target.js';
import { requireZstdSupport } from '../../operations/sets/zstd-support.js';

/** One archive of a retrieval, as the history refers to it. */
export interface RetrievalRef {
  id: string;
  no: number;
}

/**
 * Reads the wanted members of one archive from the tape in the drive: a restore writes them below its target, a verify
 * compares them. Fails with `TapeNotReady` or `TargetNotReady` when someone has to act first; problems of single
 * members or of the archive are recorded instead, and the retrieval continues.
 */
export function readArchive(deps: DriveDeps, ref: RetrievalRef): Promise<void> {
  return asDriveAttempt(asked(deps, ', or the target,'), catalogCondition, async (attempt) => {
    const { catalog, drive } = deps;
    const row = await pendingArchive(catalog, ref.id, ref.no);
    if (row === undefined) return;
    const retrieval = await retrievalNamed(catalog, ref.id);
    const archive = await requireArchive(catalog, row.set_id, row.group_no);
    if (retrieval.target !== null) {
      await requireTarget(deps.settings, retrieval.target);
      await lookAtTarget(deps, attempt, retrieval, retrieval.target);
    }
    if (!(await isOnTape(catalog, row))) {
      await attempt.commit(() => recordLost(deps, row));
      return;
    }
    const tape = await requireForReading(drive, catalog, row.tape_uuid);
    const file = path.join(drive.settings.path, row.set_id, archive.name);
    const missed = await missedMembers(catalog, row);
    const read = await readCopy(deps, attempt, { retrieval, row, archive, file, missed }, tape);
    if (retrieval.target !== null) await syncFileSystem(retrieval.target);
    if (retrieval.kind === 'verify') await noteGoneMark(deps, row, tape);
    attempt.throwIfCancelled();
    const other = await attempt.commit(() => record(deps, retrieval, row, read));
    const level = read.damage === null ? 'info' : 'warn';
    const { set_id: setId, group_no: group } = row;
    const { counts, damage, ms } = read;
    deps.logger[level](
      { stage: 'read', retrieval: ref.id, setId, group, ...counts, ms, damage, tape: tape.row.name, other },
      other === undefined ? 'archive read' : 'archive damaged; what is missing is read from another copy',
    );
  });
}

/** Records that an end mark is missing on its tape, so that the verify can say so at its end. No file is affected. */
async function noteGoneMark(
  { catalog, drive }: DriveDeps,
  { set_id: setId }: RetrievalArchiveRow,
  tape: LoadedTape,
): Promise<void> {
  const { uuid } = tape.row;
  if (!(await wasMarked(catalog, setId, uuid)) || (await hasEndMark(drive.settings.path, setId))) return;
  // If the tape was removed, everything is missing.
  await confirmMedium(drive.settings, tape.medium);
  await forgetMark(catalog, setId, uuid);
}

interface Reading {
  retrieval: RetrievalRow;
  row: RetrievalArchiveRow;
  archive: ArchiveRow;
  file: string;
  /** Names of the members that earlier copies could not return; undefined: all are wanted. */
  missed: ReadonlySet<string> | undefined;
}

async function record(
  { catalog }: DriveDeps,
  retrieval: RetrievalRow,
  row: RetrievalArchiveRow,
  read: CopyRead,
): Promise<string | undefined> {
  if (retrieval.kind === 'restore') return recordRestored(catalog, row, read);
  await recordVerify(catalog, row, read);
  return undefined;
}

/** The tape of the copy is lost: another copy is read later, or the archive fails. */
async function recordLost({ catalog }: DriveDeps, row: RetrievalArchiveRow): Promise<void> {
  if ((await switchToOtherCopy(catalog, row, null)) !== undefined) return;
  const { set_id: setId, group_no: group } = row;
  const name = (await tapeByUuid(catalog, row.tape_uuid))?.name ?? row.tape_uuid;
  const reason = `Group ${group} of set ${setId} was on tape ${name}, which is lost, and there is no other copy of it.`;
  await recordFailed(catalog, row, reason);
}

/**
 * Reads one copy. Throws for problems that do not concern the copy: its tape was removed, or the target accepts
 * nothing.
 */
async function readCopy(
  deps: DriveDeps,
  attempt: Attempt,
  reading: Reading,
  tape: LoadedTape,
): Promise<CopyRead> {
  const { archive, row, retrieval, missed } = reading;
  const began = performance.now();
  const counts = { restored: 0, same: 0, kept: 0, failed: 0 };
  const found: Found = { counts, problems: [], damages: [], lacksManifest: false };
  let isLost = false;
  try {
    await readMembers(deps, attempt, reading, found);
  } catch (error) {
    attempt.throwIfCancelled();
    await throwIfNotTheArchives(deps, tape, retrieval, error);
    const reason = `The archive ${archive.name} on tape ${tape.row.name} cannot be read: ${describeError(error)}.`;
    found.problems.push({ path: null, reason, damaged: true });
    found.damages.push(reason);
    counts.failed += Math.max(0, (missed?.size ?? row.members) - sumOf(counts));
    isLost = true;
  }
  const [first] = found.damages;
  // A tape that is removed during a read looks damaged.
  if (first !== undefined) await confirmMedium(deps.drive.settings, tape.medium);
  const more = found.damages.length > 1 ? ` (and ${found.damages.length - 1} more)` : '';
  const damage = first === undefined ? null : `${first}${more}`;
  return {
    ...{ counts, problems: found.problems, damage, isLost, lacksManifest: found.lacksManifest },
    ms: performance.now() - began,
  };
}

/** Total number of entries with a result. */
function sumOf({ restored, same, kept, failed }: MemberCounts): number {
  return restored + same + kept + failed;
}

/** What is found while reading a copy. */
interface Found {
  counts: MemberCounts;
  problems: RetrievalProblem[];
  /** Problems of the copy itself. */
  damages: string[];
  lacksManifest: boolean;
}

async function readMembers(
  deps: DriveDeps,
  attempt: Attempt,
  { retrieval, row, archive, file, missed }: Reading,
  found: Found,
): Promise<void> {
  const { counts, problems, damages } = found;
  const { settings } = deps;
  const format = formatOf(archive.name) ?? 'gzip';
  if (format === 'zstd')
    await requireZstdSupport(
      settings.COMPRESSION_CODEC,
      `Without it, \`tar --zstd -xf ${archive.name}\` or \`zstd -d\` reads it.`,
    );
  const verify = retrieval.kind === 'verify';
  if (verify) await dropFromCache(file);
  const { size } = await onSide('tape', () => lstat(file));
  if (size !== archive.size) {
    const reason = `The archive ${file} has ${size} bytes instead of ${archive.size}.`;
    problems.push({ path: null, reason, damaged: true });
    damages.push(reason);
  }
  const report = (bytes: number) =>
    attempt.report({ step: 'reading', group: row.group_no, bytesOut: bytes, bytesTotal: row.bytes });
  report(0);
  const facts = await unpackInThread({
    archivePath: file,
    format,
    codec: settings.COMPRESSION_CODEC,
    index:
      archive.blocks === null || archive.block_bytes === null
        ? undefined
        : { blockBytes: archive.block_bytes, blocks: decodeBlocks(archive.blocks) },
    target: retrieval.target,
    overwrite: retrieval.overwrite as Overwrite,
    owners: process.getuid?.() === 0,
    own: ownEntries(settings),
    job: { name: retrieval.id, token: attempt.token },
    inFlight: Math.max(4, settings.COMPRESSION_THREADS * 3),
    pages: wantedPages(deps, retrieval, row, missed, problems),
    signal: attempt.signal,
    onBatch(batch) {
      for (const { name, outcome: became, reason, damaged } of batch) {
        counts[became] += 1;
        if (damaged === true) damages.push(`${displayName(name)}: ${reason ?? ''}`);
        if (reason !== undefined) problems.push({ path: toBytes(name), reason, damaged: damaged === true });
      }
    },
    onProgress: report,
  });
  const expected = missed?.size ?? row.members;
  const came = sumOf(counts);
  if (came !== expected) {
    const reason = `Of ${archive.name}, ${formatCount(expected, 'entry was', 'entries were')} planned, but the catalog lists ${formatNumber(came)}: it contradicts itself.`;
    problems.push({ path: null, reason });
  }
  if (!verify) return;
  for (const unreadable of facts.unreadable) {
    const reason = `The archive ${file}: ${unreadable}.`;
    problems.push({ path: null, reason });
    damages.push(reason);
  }
  if (problems.length === 0 && facts.sha256 !== undefined && facts.sha256 !== archive.sha256) {
    const reason = `The SHA-256 of ${file} is not that of the archive which was written.`;
    problems.push({ path: null, reason });
    damages.push(reason);
  }
  const wrong = await manifestTrouble(
    deps,
    row,
    archive,
    path.join(path.dirname(file), archive.manifest_name),
  );
  if (wrong === undefined) return;
  const state = damages.length === 0 ? 'the archive itself is intact' : 'see what is said of the archive';
  const reason = `The manifest ${archive.manifest_name} ${wrong}; ${state}. \`tapeflow verify ${row.set_id} --repair\` writes both again.`;
  problems.push({ path: null, reason });
  found.lacksManifest = true;
}

/** The set whose entries are wanted: the restored one, even when an earlier set's archive holds them. */
function subjectOf(retrieval: RetrievalRow, row: RetrievalArchiveRow): string {
  return retrieval.kind === 'restore' ? retrieval.subject : row.set_id;
}

/**
 * The wanted members of the archive in archive order, which is name order; incompletely stored members are also
 * recorded as problems.
 */
async function* wantedPages(
  deps: DriveDeps,
  retrieval: RetrievalRow,
  row: RetrievalArchiveRow,
  missed: ReadonlySet<string> | undefined,
  problems: RetrievalProblem[],
): AsyncGenerator<WantedMember[]> {
  const { catalog } = deps;
  const {
    set_id: setId,
    no,
    first_path: first,
    last_path: last,
  } = await groupOf(catalog, row.set_id, row.group_no);
  const within = { setId, group: no, first, last };
  const subject = subjectOf(retrieval, row);
  for await (const page of selectedFiles(catalog, subject, selectionOf(retrieval), within)) {
    const wanted: WantedMember[] = [];
    for (const file of page) {
      if (file.tar_offset === null || file.type === 'other' || file.state === 'planned') continue;
      if (missed !== undefined && !missed.has(fromBytes(file.path))) continue;
      if (file.state === 'skipped' && retrieval.kind === 'restore')
        problems.push({ path: file.path, reason: `It is not whole in the backup: ${file.reason ?? ''}` });
      wanted.push(await wantedMember(deps, file));
    }
    yield wanted;
  }
}

async function wantedMember({ catalog }: DriveDeps, file: FileRow): Promise<WantedMember> {
  const linkTarget = file.link_target === null ? null : fromBytes(file.link_target);
  let linkOffset: number | null = null;
  if (file.type === 'file' && file.link_target !== null)
    linkOffset = await tarOffsetOf(catalog, holderOf(file).setId, file.link_target);
  return {
    name: fromBytes(file.path),
    type: file.type as WantedMember['type'],
    size: file.size,
    mtimeS: file.mtime_s,
    mtimeNs: file.mtime_ns,
    mode: file.mode & 0o7777,
    uid: file.uid,
    gid: file.gid,
    nlink: file.nlink,
    linkTarget,
    sha256: file.sha256,
    offset: file.tar_offset ?? 0,
    linkOffset,
  };
}

/** Errors that concern one file on a tape; any other error concerns more, such as a dead mount. */
const ofOneFile = new Set(['ENOENT', 'ELOOP', 'EIO', 'ENODATA', 'ENXIO', 'EISDIR', 'EACCES']);

/** Throws for failures that do not concern the archive: the tape was removed, or another side failed. */
async function throwIfNotTheArchives(
  { drive }: DriveDeps,
  tape: LoadedTape,
  { target }: RetrievalRow,
  error: unknown,
): Promise<void> {
  if (target !== null && sideOf(error) === 'target') throw await targetFailure(target, error);
  if (!(error instanceof ArchiveUnreadable) && sideOf(error) !== 'tape') throw error;
  await confirmMedium(drive.settings, tape.medium);
  if (error instanceof ArchiveUnreadable || ofOneFile.has(systemErrorCode(error) ?? '')) return;
  throw error;
}

/** What is wrong with the manifest beside a copy, which does not affect the archive; undefined when it is right. */
async function manifestTrouble(
  { catalog }: DriveDeps,
  row: RetrievalArchiveRow,
  archive: ArchiveRow,
  file: string,
): Promise<string | undefined> {
  const copy = await copyOf(catalog, row.set_id, row.group_no, row.copy_no);
  const sha256 = copy?.manifest_sha256 ?? archive.manifest_sha256;
  try {
    const found = await onSide('tape', () => hashOf(file));
    return found.sha256 === sha256 ? undefined : 'is not the one that was written';
  } catch (error) {
    if (sideOf(error) !== 'tape' || isMountDeath(error)) throw error;
    return systemErrorCode(error) === 'ENOENT'
      ? 'is not on the tape'
      : `cannot be read (${describeError(error)})`;
  }
}
