import { executeMany } from '../execute-many.js';
import { displayName, fromBytes } from '../../entry/byte-string.js';
import type { UnsetCounts } from '../../entry/metadata-kind.js';
import type { Catalog } from '../open-catalog.js';
import type { RetrievalArchiveRow, RetrievalRow } from '../rows.js';

/** A member that is unavailable or damaged, and why. `path` null: the whole archive. */
export interface RetrievalProblem {
  path: Uint8Array | null;
  reason: string;
  /** The copy is damaged there; another copy may have the member. */
  damaged?: boolean;
  /** It was restored all the same, with zeros for what is missing. */
  salvaged?: boolean;
}

/** The members that no copy has returned so far; undefined: the whole archive is wanted. */
export async function missedMembers(
  db: Catalog,
  row: RetrievalArchiveRow,
): Promise<ReadonlySet<string> | undefined> {
  if (row.only_damaged === 0) return undefined;
  const missed = new Set<string>();
  for (const { path, damaged } of await problemsNoted(db, row))
    if (damaged && path !== null) missed.add(Buffer.from(path).toString('latin1'));
  return missed;
}

/** Problems with members from earlier copies that remain; all of them if this copy returns nothing. */
export async function problemsBefore(
  tx: Catalog,
  row: RetrievalArchiveRow,
  isLost: boolean,
): Promise<RetrievalProblem[]> {
  if (row.only_damaged === 0) return [];
  return (await problemsNoted(tx, row)).filter(({ damaged }) => isLost || !damaged);
}

/** The problems noted of an archive so far, in order. */
export async function problemsNoted(db: Catalog, row: RetrievalArchiveRow) {
  const rows = await db
    .selectFrom('retrieval_problems')
    .select(['path', 'reason', 'damaged', 'salvaged'])
    .where('retrieval_id', '=', row.retrieval_id)
    .where('no', '=', row.no)
    .orderBy('id')
    .execute();
  return rows.map(({ path, reason, damaged, salvaged }) => ({
    ...{ path, reason },
    ...{ damaged: damaged === 1, salvaged: salvaged === 1 },
  }));
}

/** Replaces the noted problems of an archive, in the caller's transaction. */
export async function replaceProblems(
  tx: Catalog,
  id: string,
  no: number,
  problems: readonly RetrievalProblem[],
): Promise<void> {
  await tx.deleteFrom('retrieval_problems').where('retrieval_id', '=', id).where('no', '=', no).execute();
  await insertProblems(tx, id, no, problems);
}

/** Adds problems in the caller's transaction; `no`: number of their archive. */
export async function insertProblems(
  tx: Catalog,
  id: string,
  no: number | null,
  problems: readonly RetrievalProblem[],
): Promise<void> {
  const insert = tx
    .insertInto('retrieval_problems')
    .values({ retrieval_id: id, no, path: null, reason: '', damaged: 0, salvaged: 0 })
    .compile();
  const rows = problems.map(({ path, reason, damaged = false, salvaged = false }) => [
    id,
    no,
    path,
    reason,
    Number(damaged),
    Number(salvaged),
  ]);
  await executeMany(tx, insert, rows);
}

/** Number under which the last step of a retrieval records its problems; they belong to no archive. */
export const endProblemsNo = 0;

/** Records what the last step of a retrieval found, replacing what an earlier attempt has recorded. */
export async function recordEnd(
  catalog: Catalog,
  id: string,
  problems: readonly RetrievalProblem[],
  unset: UnsetCounts,
): Promise<void> {
  await catalog.transaction().execute(async (tx) => {
    await replaceProblems(tx, id, endProblemsNo, problems);
    await tx
      .updateTable('retrievals')
      .set({ unset: JSON.stringify(unset) })
      .where('id', '=', id)
      .execute();
  });
}

/** What was unavailable, in order. */
export async function problemsOf(
  db: Catalog,
  id: string,
  limit: number,
): Promise<{ path: Uint8Array | null; reason: string }[]> {
  return db
    .selectFrom('retrieval_problems')
    .select(['path', 'reason'])
    .where('retrieval_id', '=', id)
    .orderBy('id')
    .limit(limit)
    .execute();
}

/** Why a retrieval waits or has failed; for an incomplete one, the first problem. */
export async function reasonOf(
  db: Catalog,
  { id, state, reason }: Pick<RetrievalRow, 'id' | 'state' | 'reason'>,
): Promise<string | null> {
  if (reason !== null || state !== 'incomplete') return reason;
  const [problem] = await problemsOf(db, id, 1);
  if (problem === undefined) return null;
  return problem.path === null
    ? problem.reason
    : `/${displayName(fromBytes(problem.path))}: ${problem.reason}`;
}
