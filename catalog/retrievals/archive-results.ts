import type { UnsetCounts } from '../../entry/metadata-kind.js';
import type { Catalog } from '../open-catalog.js';
import type { RetrievalArchiveRow } from '../rows.js';
import { problemsNoted, replaceProblems, type RetrievalProblem } from './retrieval-problems.js';

/** Counts of an archive's members by result. */
export interface MemberCounts {
  restored: number;
  same: number;
  kept: number;
  failed: number;
  /** How many lack what besides their content. */
  unset: UnsetCounts;
}

/** The result of reading one archive. */
export interface ArchiveResult extends Omit<MemberCounts, 'unset'> {
  unset?: UnsetCounts;
  state: 'done' | 'failed';
  ms: number;
}

/** Records the result for an archive, replacing what an earlier attempt recorded. */
export async function recordArchive(
  catalog: Catalog,
  id: string,
  no: number,
  result: ArchiveResult,
  problems: readonly RetrievalProblem[],
): Promise<void> {
  await catalog.transaction().execute((tx) => putResult(tx, id, no, result, problems));
}

/** The same in the caller's transaction. */
export async function putResult(
  tx: Catalog,
  id: string,
  no: number,
  result: ArchiveResult,
  problems: readonly RetrievalProblem[],
): Promise<void> {
  await tx
    .updateTable('retrieval_archives')
    .set({
      ...{ ...result, unset: JSON.stringify(result.unset ?? {}), ms: Math.round(result.ms) },
      ...{ reserved: 0, staged: null },
    })
    .where('retrieval_id', '=', id)
    .where('no', '=', no)
    .execute();
  await replaceProblems(tx, id, no, problems);
  // It has made progress: earlier resumes count no longer.
  await tx
    .updateTable('retrievals')
    .set({ taken_up: 0 })
    .where('id', '=', id)
    .where('taken_up', '>', 0)
    .execute();
}

/** Records that an archive is unavailable. */
export async function recordFailed(
  catalog: Catalog,
  row: RetrievalArchiveRow,
  reason: string,
): Promise<void> {
  await catalog.transaction().execute(async (tx) => {
    if (!(await isPending(tx, row))) return;
    const { restored, same, kept } = row;
    const failed = row.members - restored - same - kept;
    const counts = { restored, same, kept, failed, unset: unsetOf(row) };
    const problems = row.only_damaged === 0 ? [] : await problemsNoted(tx, row);
    await putResult(tx, row.retrieval_id, row.no, { ...counts, state: 'failed', ms: 0 }, [
      ...problems,
      { path: null, reason },
    ]);
  });
}

/** False when the result of an archive was recorded already, or it is to be read from another copy by now. */
export async function isPending(tx: Catalog, row: RetrievalArchiveRow): Promise<boolean> {
  const found = await tx
    .selectFrom('retrieval_archives')
    .select('no')
    .where('retrieval_id', '=', row.retrieval_id)
    .where('no', '=', row.no)
    .where('state', '=', 'pending')
    .executeTakeFirst();
  return found !== undefined;
}

/** What was counted of an archive, or of a retrieval's last step. */
export function unsetOf({ unset }: { unset: string }): UnsetCounts {
  return JSON.parse(unset) as UnsetCounts;
}
