import { sumUnset } from '../../entry/metadata-kind.js';
import { noteDamage, noteNoManifest, recordVerified } from '../copies/copy-findings.js';
import { earlierCopyOf, type OtherCopy, otherCopyOf } from '../copies/other-copy.js';
import type { Catalog } from '../open-catalog.js';
import type { RetrievalArchiveRow } from '../rows.js';
import { isPending, type MemberCounts, putResult, unsetOf } from './archive-results.js';
import { problemsBefore, replaceProblems, type RetrievalProblem } from './retrieval-problems.js';

/** The result of reading one copy of an archive. */
export interface CopyRead {
  /** Counts of the members wanted from this copy. */
  counts: MemberCounts;
  problems: readonly RetrievalProblem[];
  /** What is wrong with the copy; null when nothing is. */
  damage: string | null;
  /** The copy's manifest is missing, or not the one that was written. */
  lacksManifest?: boolean;
  /** Nothing of the copy can be read: everything must come from another copy. */
  isLost: boolean;
  /** Milliseconds. */
  ms: number;
}

/** Records that an archive was read into staging, with its SHA-256 as it was read; null: it has to be read again. */
export async function recordStaged(
  db: Catalog,
  row: RetrievalArchiveRow,
  sha256: string | null,
): Promise<void> {
  await db
    .updateTable('retrieval_archives')
    .set({ staged: sha256 })
    .where('retrieval_id', '=', row.retrieval_id)
    .where('no', '=', row.no)
    .where('state', '=', 'pending')
    .execute();
}

/**
 * Records what was restored from a copy, and its damage. What is missing is then read from another copy that was not
 * tried, if there is one: the archive is queued again after everything else. With salvage, so it is with a copy that
 * was tried before one of which nothing can be read.
 *
 * @returns the tape name of the other copy; undefined when the archive is done.
 */
export async function recordRestored(
  catalog: Catalog,
  row: RetrievalArchiveRow,
  read: CopyRead,
  salvage = false,
): Promise<string | undefined> {
  return catalog.transaction().execute(async (tx) => {
    if (!(await isPending(tx, row))) return undefined;
    if (read.damage !== null) await noteDamage(tx, row, read.damage);
    const problems = [...(await problemsBefore(tx, row, read.isLost)), ...read.problems];
    const counts = sumOf(row, read.counts);
    const isMissed = read.isLost || read.problems.some((problem) => problem.damaged === true);
    const untried = isMissed ? await otherCopyOf(tx, row) : undefined;
    // Part of an earlier one could be read.
    const mayGoBack = salvage && read.isLost && row.only_damaged === 1;
    const other = untried ?? (mayGoBack ? await earlierCopyOf(tx, row) : undefined);
    if (other === undefined) {
      const state = problems.length === 0 ? 'done' : 'failed';
      await putResult(tx, row.retrieval_id, row.no, { ...counts, state, ms: read.ms }, problems);
      return undefined;
    }
    await putOff(tx, row, other, read.isLost ? undefined : { counts, problems });
    return other.tapeName;
  });
}

/** Records the result of verifying a copy, also on the copy itself; `damage` null when it is intact. */
export async function recordVerify(
  catalog: Catalog,
  row: RetrievalArchiveRow,
  read: CopyRead,
): Promise<void> {
  const { counts, problems, damage, ms } = read;
  await catalog.transaction().execute(async (tx) => {
    if (!(await isPending(tx, row))) return;
    const state = problems.length === 0 ? 'done' : 'failed';
    await putResult(tx, row.retrieval_id, row.no, { ...counts, state, ms }, problems);
    await recordVerified(tx, row, damage);
    if (read.lacksManifest === true) await noteNoManifest(tx, row);
  });
}

/**
 * Makes a retrieval read another copy of an archive instead of one that cannot be read at all, after everything else it
 * has to read.
 *
 * @param damage what is wrong with that copy, to be recorded; null when it is not the copy's fault, such as a lost
 *   tape.
 * @returns the name of the other tape; undefined when there is none; then nothing was changed.
 */
export async function switchToOtherCopy(
  catalog: Catalog,
  row: RetrievalArchiveRow,
  damage: string | null,
): Promise<string | undefined> {
  return catalog.transaction().execute(async (tx) => {
    const other = (await isPending(tx, row)) ? await otherCopyOf(tx, row) : undefined;
    if (other === undefined) return undefined;
    if (damage !== null) await noteDamage(tx, row, damage);
    await putOff(tx, row, other, undefined);
    return other.tapeName;
  });
}

/** @param had what was read from an earlier copy; undefined: everything is still wanted from the other copy. */
async function putOff(
  tx: Catalog,
  row: RetrievalArchiveRow,
  other: OtherCopy,
  had: { counts: MemberCounts; problems: readonly RetrievalProblem[] } | undefined,
): Promise<void> {
  const { last } = await tx
    .selectFrom('retrieval_archives')
    .select((eb) => eb.fn.max<number>('no').as('last'))
    .where('retrieval_id', '=', row.retrieval_id)
    .executeTakeFirstOrThrow();
  const tried = JSON.stringify([...new Set([...triedOf(row), row.copy_no])]);
  const missed = had?.problems.filter(({ damaged, path }) => damaged === true && path !== null).length ?? 0;
  await tx
    .updateTable('retrieval_archives')
    .set({ no: last + 1, copy_no: other.copyNo, tape_uuid: other.tape, tried, reserved: 0, staged: null })
    .$if(had !== undefined, (query) =>
      // Missed members are counted later, once they are read or known to be unavailable.
      query.set({
        ...had?.counts,
        unset: JSON.stringify(had?.counts.unset ?? {}),
        failed: (had?.counts.failed ?? 0) - missed,
        only_damaged: 1,
      }),
    )
    .where('retrieval_id', '=', row.retrieval_id)
    .where('no', '=', row.no)
    .where('state', '=', 'pending')
    .execute();
  if (had !== undefined) await replaceProblems(tx, row.retrieval_id, row.no, had.problems);
  await tx
    .updateTable('retrieval_problems')
    .set({ no: last + 1 })
    .where('retrieval_id', '=', row.retrieval_id)
    .where('no', '=', row.no)
    .execute();
}

/** Numbers of the copies that were already tried. */
export function triedOf(row: Pick<RetrievalArchiveRow, 'tried'>): number[] {
  return JSON.parse(row.tried) as number[];
}

function sumOf(row: RetrievalArchiveRow, counts: MemberCounts): MemberCounts {
  if (row.only_damaged === 0) return counts;
  return {
    restored: row.restored + counts.restored,
    same: row.same + counts.same,
    kept: row.kept + counts.kept,
    failed: row.failed + counts.failed,
    unset: sumUnset([unsetOf(row), counts.unset]),
  };
}
