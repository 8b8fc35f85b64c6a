import { lstat } from 'node:fs/promises';
import path from 'node:path';
import { decodeBlocks } from '../../entry/block-index.js';
import { toBytes, displayName } from '../../entry/byte-string.js';
import { formatOf } from '../../entry/archive-format.js';
import type { Overwrite } from '../../archive/unpack/unpack-options.js';
import { ArchiveUnreadable, unpackInThread } from '../../archive/unpack/unpack-in-thread.js';
import type { ArchiveRow, RetrievalArchiveRow, RetrievalRow } from '../../catalog/rows.js';
import type { MemberCounts } from '../../catalog/retrievals/archive-results.js';
import type { CopyRead } from '../../catalog/retrievals/read-results.js';
import { copyOf } from '../../catalog/copies/copies.js';
import { otherCopyOf } from '../../catalog/copies/other-copy.js';
import { selectionOf } from '../../catalog/retrievals/retrievals.js';
import type { RetrievalProblem } from '../../catalog/retrievals/retrieval-problems.js';
import { formatCount, formatNumber } from '../../config/counts.js';
import { describeError, systemErrorCode } from '../../config/failures.js';
import { ownersOf } from '../../catalog/retrievals/retrievals.js';
import { countUnset } from '../../entry/metadata-kind.js';
import { ownEntries } from '../../disk/own-folders.js';
import { onSide, sideOf } from '../../config/sides.js';
import { dropFromCache } from '../../disk/page-cache.js';
import { hashOf } from '../../tape/files/hash-file.js';
import { isMountDeath } from '../../tape/ltfs/ltfs.js';
import type { Attempt } from '../attempt.js';
import type { Deps } from '../deps.js';
import { targetFailure } from './restore-target.js';
import { requireZstdSupport } from '../sets/zstd-support.js';
import { wantedPages } from './wanted-members.js';

interface Reading {
  retrieval: RetrievalRow;
  row: RetrievalArchiveRow;
  archive: ArchiveRow;
  file: string;
  /** Names of the members that earlier copies could not return; undefined: all are wanted. */
  missed: ReadonlySet<string> | undefined;
}

/** Where a copy is read: in a drive, or in staging, where the drive of another host has put it. */
export interface CopyAt {
  tapeName: string;
  /** The copy for sentences. */
  shown: string;
  /** Throws when what looks damaged is not the copy: the tape was removed, or the staged bytes were lost. */
  confirm(): Promise<void>;
}

/**
 * Reads one copy. Throws for problems that do not concern the copy: its tape was removed, or the target accepts
 * nothing.
 */
export async function readCopy(
  deps: Deps,
  attempt: Attempt,
  reading: Reading,
  at: CopyAt,
): Promise<CopyRead> {
  const { archive, row, retrieval, missed } = reading;
  const began = performance.now();
  const counts: MemberCounts = { restored: 0, same: 0, kept: 0, failed: 0, unset: {} };
  const found: Found = { counts, problems: [], damages: [], lacksManifest: false };
  let isLost = false;
  try {
    await readMembers(deps, attempt, reading, at, found);
  } catch (error) {
    attempt.throwIfCancelled();
    await throwIfNotTheArchives(deps, at, retrieval, error);
    const reason = `The archive ${archive.name} on tape ${at.tapeName} cannot be read: ${describeError(error)}.`;
    found.problems.push({ path: null, reason, damaged: true });
    found.damages.push(reason);
    counts.failed += Math.max(0, (missed?.size ?? row.members) - sumOf(counts));
    isLost = true;
  }
  const [first] = found.damages;
  // A tape that is removed during a read looks damaged.
  if (first !== undefined) await at.confirm();
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
  deps: Deps,
  attempt: Attempt,
  { retrieval, row, archive, file, missed }: Reading,
  { shown }: CopyAt,
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
    const reason = `The archive ${shown} has ${size} bytes instead of ${archive.size}.`;
    problems.push({ path: null, reason, damaged: true });
    damages.push(reason);
  }
  const report = (bytes: number) =>
    attempt.report({ step: 'reading', group: row.group_no, bytesOut: bytes, bytesTotal: row.bytes });
  report(0);
  const facts = await unpackInThread({
    archivePath: file,
    shown,
    format,
    codec: settings.COMPRESSION_CODEC,
    index:
      archive.blocks === null || archive.block_bytes === null
        ? undefined
        : { blockBytes: archive.block_bytes, blocks: decodeBlocks(archive.blocks) },
    target: retrieval.target,
    overwrite: retrieval.overwrite as Overwrite,
    owners: ownersOf(retrieval),
    own: ownEntries(settings),
    job: { name: retrieval.id, token: attempt.token },
    strip: selectionOf(retrieval).strip ?? 0,
    salvage: retrieval.salvage === 1,
    // What another copy may have is read there first.
    lastCopy: retrieval.salvage === 1 && (await otherCopyOf(deps.catalog, row)) === undefined,
    inFlight: Math.max(4, settings.COMPRESSION_THREADS * 3),
    pages: wantedPages(deps, retrieval, row, missed, problems),
    signal: attempt.signal,
    onBatch(batch) {
      for (const { name, outcome: became, unset, reason, damaged, salvaged } of batch) {
        counts[became] += 1;
        if (unset !== undefined) countUnset(counts.unset, unset);
        if (damaged === true) damages.push(`${displayName(name)}: ${reason ?? 'its headers are damaged'}`);
        if (reason === undefined) continue;
        const isLost = damaged === true && salvaged !== true;
        problems.push({ path: toBytes(name), reason, damaged: isLost, salvaged: salvaged === true });
      }
    },
    onProgress: report,
  });
  const expected = missed?.size ?? row.members;
  const came = sumOf(counts);
  if (came !== expected) {
    const reason =
      `Of ${archive.name}, ${formatCount(expected, 'entry was', 'entries were')} ` +
      `planned, but the catalog lists ${formatNumber(came)}: it contradicts itself.`;
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
  const reason =
    `The manifest ${archive.manifest_name} ${wrong}; ${state}. ` +
    `\`tapeflow verify ${row.set_id} --repair\` writes both again.`;
  problems.push({ path: null, reason });
  found.lacksManifest = true;
}

/** Errors that concern one file on a tape; any other error concerns more, such as a dead mount. */
const ofOneFile = new Set(['ENOENT', 'ELOOP', 'EIO', 'ENODATA', 'ENXIO', 'EISDIR', 'EACCES']);

/** Throws for failures that do not concern the archive: the tape was removed, or another side failed. */
async function throwIfNotTheArchives(
  { settings }: Deps,
  { confirm }: CopyAt,
  { target }: RetrievalRow,
  error: unknown,
): Promise<void> {
  if (target !== null && sideOf(error) === 'target') throw await targetFailure(settings, target, error);
  if (!(error instanceof ArchiveUnreadable) && sideOf(error) !== 'tape') throw error;
  await confirm();
  if (error instanceof ArchiveUnreadable || ofOneFile.has(systemErrorCode(error) ?? '')) return;
  throw error;
}

/** What is wrong with the manifest beside a copy, which does not affect the archive; undefined when it is right. */
async function manifestTrouble(
  { catalog }: Deps,
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
