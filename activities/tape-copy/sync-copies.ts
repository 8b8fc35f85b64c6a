import { copyOf, writtenCopies } from '../../catalog/copies/copies.js';
import { requireArchive } from '../../catalog/groups/groups.js';
import { unreserveForCopy } from '../../catalog/groups/staging-budget.js';
import { recordArchive } from '../../catalog/retrievals/archive-results.js';
import { pendingArchive } from '../../catalog/retrievals/retrievals.js';
import type { RetrievalArchiveRow } from '../../catalog/rows.js';
import { fsyncFolder } from '../../disk/durable-file.js';
import { removeStaged } from '../../operations/copies/archive-to-copy.js';
import { commitWritten } from '../../operations/copies/commit-copies.js';
import type { DriveDeps } from '../../operations/deps.js';
import { copyDir } from '../../staging/paths.js';
import { asked } from '../asked.js';
import { asDriveAttempt } from '../attempt.js';
import { driveCondition } from '../conditions.js';

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
