import path from 'node:path';
import type { CopyRead } from '../../catalog/retrievals/read-results.js';
import type { ArchiveRow, RetrievalArchiveRow } from '../../catalog/rows.js';
import { TapeflowFailure } from '../../config/failures.js';
import { onSide } from '../../config/sides.js';
import { publish, removeFile, sizeOf } from '../../disk/durable-file.js';
import { copyDir } from '../../staging/paths.js';
import { confirmMedium } from '../../tape/drives/drive.js';
import type { LoadedTape } from '../../tape/drives/loaded-tape.js';
import { hashOf } from '../../tape/files/hash-file.js';
import { english } from '../../messages/sentence.js';
import { pauseFor, type Attempt } from '../attempt.js';
import { tapeToStaging } from '../copies/tape-to-staging.js';
import type { Deps, DriveDeps } from '../deps.js';

/** Milliseconds between two looks for a staged archive: over NFS and SMB a name may be visible later. */
const lookEveryMs = 1000;

/** Where an archive of a restore is staged for the host of the target. */
export function stagedFor({ settings }: Pick<Deps, 'settings'>, id: string, archive: ArchiveRow): string {
  return path.join(copyDir(settings.BACKUP_COMPRESS_DIR, id), archive.name);
}

/**
 * Reads an archive from the tape in the drive into staging as it is: damaged, too, since whoever unpacks it finds which
 * members are whole. What the medium cannot return becomes zeros.
 *
 * @returns SHA-256 of what is staged now, in hexadecimal; or a sentence that says why nothing of it can be read.
 */
export async function stageArchive(
  deps: DriveDeps,
  attempt: Attempt,
  { row, archive, file }: { row: RetrievalArchiveRow; archive: ArchiveRow; file: string },
  tape: LoadedTape,
): Promise<{ sha256: string } | { lost: string }> {
  const { name, size } = archive;
  const what = english`The archive ${name} on tape ${tape.row.name}`;
  const from = { row, name, size, what, holes: true };
  const copied = await tapeToStaging(deps, attempt, from, path.dirname(file), tape);
  if ('wrong' in copied) return { lost: copied.wrong };
  const { part, sha256 } = copied;
  try {
    // A tape that is removed during a read looks damaged.
    if (sha256 !== archive.sha256) await confirmMedium(deps.drive.settings, tape.medium);
    attempt.throwIfCancelled();
    await publish(part, file);
  } catch (error) {
    await removeFile(part).catch(() => false);
    attempt.throwIfCancelled();
    throw error;
  }
  return { sha256 };
}

/** The result of a copy of which nothing can be read. */
export function lostCopy(
  row: RetrievalArchiveRow,
  missed: ReadonlySet<string> | undefined,
  reason: string,
): CopyRead {
  return {
    counts: { restored: 0, same: 0, kept: 0, failed: missed?.size ?? row.members, unset: {} },
    problems: [{ path: null, reason, damaged: true }],
    ...{ damage: reason, isLost: true, ms: 0 },
  };
}

/** Waits some seconds until this host sees a staged archive; throws `StagedArchiveDamaged` when it does not. */
export async function waitUntilStaged({ settings }: Deps, attempt: Attempt, file: string): Promise<void> {
  const until = performance.now() + settings.FINAL_WAIT_SECONDS * 1000;
  while ((await onSide('staging', () => sizeOf(file))) === undefined) {
    if (performance.now() > until)
      throw damaged(
        english`Host ${settings.TAPEFLOW_HOST} does not see ${file},
          which the drive's host has read from tape.`,
        english`Staging (BACKUP_COMPRESS_DIR) must be the same folder on both:
          \`tapeflow doctor\` on each of them says so.`,
      );
    attempt.report({ step: 'waiting for staging', why: english`${file} is not visible yet` });
    await pauseFor(attempt, lookEveryMs);
  }
}

/** Throws `StagedArchiveDamaged` when a staged archive is not what was read from tape. */
export async function confirmStaged(file: string, sha256: string): Promise<void> {
  const found = await onSide('staging', async () =>
    (await sizeOf(file)) === undefined ? undefined : hashOf(file),
  );
  if (found?.sha256 === sha256) return;
  throw damaged(
    found === undefined
      ? english`The staged ${file} is gone.`
      : english`The staged ${file} is not what was read from tape.`,
    english`It is read again.`,
  );
}

function damaged(sentence: string, advice: string): TapeflowFailure {
  return new TapeflowFailure('StagedArchiveDamaged', sentence, { advice });
}
