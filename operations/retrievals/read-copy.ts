import { lstat } from 'node:fs/promises';
import { decodeBlocks } from '../../entry/block-index.js';
import { toBytes, displayName } from '../../entry/byte-string.js';
import { formatOf } from '../../entry/archive-format.js';
import type { Opened } from '../../archive/age/open-seal.js';
import type { Overwrite } from '../../archive/unpack/unpack-options.js';
import { ArchiveUnreadable, unpackInThread } from '../../archive/unpack/unpack-in-thread.js';
import type { ArchiveRow, RetrievalArchiveRow, RetrievalRow } from '../../catalog/rows.js';
import type { MemberCounts } from '../../catalog/retrievals/archive-results.js';
import type { CopyRead } from '../../catalog/retrievals/read-results.js';
import { otherCopyOf } from '../../catalog/copies/other-copy.js';
import { selectionOf } from '../../catalog/retrievals/retrievals.js';
import { formatCount, formatNumber } from '../../config/counts.js';
import { describeError, systemErrorCode, TapeflowFailure } from '../../config/failures.js';
import { ownersOf } from '../../catalog/retrievals/retrievals.js';
import { countUnset } from '../../entry/metadata-kind.js';
import { ownEntries } from '../../disk/own-folders.js';
import { onSide, sideOf } from '../../config/sides.js';
import { dropFromCache } from '../../disk/page-cache.js';
import { english } from '../../messages/sentence.js';
import type { Attempt } from '../attempt.js';
import type { Deps } from '../deps.js';
import { openArchiveHere } from '../encryption/identities.js';
import { targetFailure } from './restore-target.js';
import { requireZstdSupport } from '../sets/zstd-support.js';
import { wantedPages } from './wanted-members.js';
import { checkManifest, compareWhole, type Found } from './whole-files.js';

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
    const reason = english`The archive ${archive.name} on tape ${at.tapeName} cannot be read:
      ${describeError(error)}.`;
    found.problems.push({ path: null, reason, damaged: true });
    found.damages.push(reason);
    counts.failed += Math.max(0, (missed?.size ?? row.members) - sumOf(counts));
    isLost = true;
  }
  const [first] = found.damages;
  // A tape that is removed during a read looks damaged.
  if (first !== undefined) await at.confirm();
  const more = found.damages.length - 1;
  const damage = first === undefined ? null : more === 0 ? first : english`${first} (and ${more} more)`;
  return {
    ...{ counts, problems: found.problems, damage, isLost, lacksManifest: found.lacksManifest },
    ms: performance.now() - began,
  };
}

/** Total number of entries with a result. */
function sumOf({ restored, same, kept, failed }: MemberCounts): number {
  return restored + same + kept + failed;
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
  const verify = retrieval.kind === 'verify';
  const opened = await openedFor(deps, retrieval, archive, file);
  const format = formatOf(archive.name) ?? 'gzip';
  if (format === 'zstd' && opened !== 'closed')
    await requireZstdSupport(
      settings.COMPRESSION_CODEC,
      english`Without it, \`tar --zstd -xf ${archive.name}\` or \`zstd -d\` reads it.`,
    );
  if (verify) await dropFromCache(file);
  const { size } = await onSide('tape', () => lstat(file));
  if (size !== archive.size) {
    const reason = english`The archive ${shown} has ${size} bytes instead of ${archive.size}.`;
    problems.push({ path: null, reason, damaged: true });
    damages.push(reason);
  }
  const report = (bytes: number) =>
    attempt.report({ step: 'reading', group: row.group_no, bytesOut: bytes, bytesTotal: row.bytes });
  report(0);
  if (opened === 'closed') {
    await compareWhole(attempt, { row, archive, file, missed }, found, report);
    await checkManifest(deps, { row, archive, file }, found);
    return;
  }
  const facts = await unpackInThread({
    archivePath: file,
    shown,
    format,
    codec: settings.COMPRESSION_CODEC,
    opened: opened?.key,
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
    onBatch(batch, restored) {
      counts.restored += restored;
      for (const { name, outcome: became, unset, reason, damaged, salvaged } of batch) {
        counts[became] += 1;
        if (unset !== undefined) countUnset(counts.unset, unset);
        if (damaged === true)
          damages.push(english`${displayName(name)}: ${reason ?? english`its headers are damaged`}`);
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
    const reason = english`Of ${archive.name}, ${formatCount(expected, 'entry was', 'entries were')}
      planned, but the catalog lists ${formatNumber(came)}: it contradicts itself.`;
    problems.push({ path: null, reason });
  }
  if (!verify) return;
  for (const unreadable of facts.unreadable) {
    const reason = english`The archive ${file}: ${unreadable}.`;
    problems.push({ path: null, reason });
    damages.push(reason);
  }
  if (problems.length === 0 && facts.sha256 !== undefined && facts.sha256 !== archive.sha256) {
    const reason = english`The SHA-256 of ${file} is not that of the archive which was written.`;
    problems.push({ path: null, reason });
    damages.push(reason);
  }
  await checkManifest(deps, { row, archive, file }, found);
}

/**
 * What opens an archive, if it is encrypted. A verify without the identity compares the SHA-256 of the whole file:
 * `closed`. A restore throws.
 */
async function openedFor(
  { settings }: Deps,
  { kind, identity_file: asked }: RetrievalRow,
  archive: ArchiveRow,
  file: string,
): Promise<Opened | 'closed' | undefined> {
  try {
    return await openArchiveHere(settings, archive, file, asked);
  } catch (error) {
    if (kind === 'verify' && error instanceof TapeflowFailure) return 'closed';
    throw error;
  }
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
