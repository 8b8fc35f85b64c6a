import {
  committedCopies,
  type CopyOnTape,
  inTapeOrder,
  plannedOf,
} from '../retrievals/plan/copies-on-tape.js';
import {
  finalRetrievalStates,
  insertRetrievalIn,
  type NewRetrieval,
  unfinishedRetrievalLike,
} from '../retrievals/retrievals.js';
import type { Catalog } from '../open-catalog.js';
import type { RetrievalRow, SetRow } from '../rows.js';
import { isVerifiedAtEnd } from './chosen-options.js';

/**
 * Creates the verify of a set that has completed, if that was asked for, in the transaction that records the set's end:
 * so it is there whatever happens next. It reads what was not read back since it was written, beginning with the tapes
 * that are probably still in the drives.
 */
export async function openEndVerify(tx: Catalog, set: SetRow): Promise<void> {
  if (!isVerifiedAtEnd(JSON.parse(set.options))) return;
  const wanted: NewRetrieval = {
    ...{ kind: 'verify', subject: set.id, drive: set.drive, any_drive: 1, target: null },
    ...{ overwrite: 'never', selection: '{}' },
  };
  if ((await unfinishedRetrievalLike(tx, wanted)) !== undefined) return;
  const copies = (await committedCopies(tx, { setId: set.id })).filter((copy) => copy.verified_at === null);
  if (copies.length === 0) return;
  const planned = newestTapesFirst(copies).map((copy) => plannedOf(copy));
  await insertRetrievalIn(tx, wanted, planned, []);
}

/** By tape, those written last first, since they are probably still in the drives; on each in the order of writing. */
function newestTapesFirst(copies: readonly CopyOnTape[]): CopyOnTape[] {
  const newest = new Map<string, number>();
  for (const { tape_uuid: tape, committed_at: at } of copies)
    newest.set(tape, Math.max(newest.get(tape) ?? 0, at ?? 0));
  const tapes = [...newest].sort(([, a], [, b]) => b - a).map(([tape]) => tape);
  return tapes.flatMap((tape) => inTapeOrder(copies.filter((copy) => copy.tape_uuid === tape)));
}

/** The verify that followed a set's end: an unfinished one, or the newest since then; undefined: there is none. */
export async function endVerifyOf(db: Catalog, set: SetRow): Promise<RetrievalRow | undefined> {
  const { finished_at: endedAt } = set;
  if (endedAt === null || !isVerifiedAtEnd(JSON.parse(set.options))) return undefined;
  return db
    .selectFrom('retrievals')
    .selectAll()
    .where('kind', '=', 'verify')
    .where('subject', '=', set.id)
    .where((eb) => eb.or([eb('state', 'not in', finalRetrievalStates), eb('created_at', '>=', endedAt)]))
    .orderBy('created_at', 'desc')
    .limit(1)
    .executeTakeFirst();
}
