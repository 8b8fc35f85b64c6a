import type { Catalog } from '../../open-catalog.js';
import type { TapeRow } from '../../rows.js';
import type { TapeRetention } from '../../tapes/tape-retention.js';
import { type CopyPlan, isWhole, planCopies } from './plan-copies.js';

/** What of a tape is copied to other tapes of its pool, so that the tape can be erased. */
export interface RepackPlan extends CopyPlan {
  /** Bytes of the archives that are copied, as they are on tape. */
  bytes: number;
  /** Archives on the tape that nothing needs any more. */
  expired: number;
}

/** Plans to copy what is still needed of a tape, and is not on another good tape of its pool. */
export async function planRepack(
  db: Catalog,
  tape: TapeRow,
  kept: TapeRetention,
  { now, loaded }: { now: number; loaded: readonly string[] },
): Promise<RepackPlan> {
  const needed = new Set(kept.sets.filter((set) => set.neededUntil > now).map((set) => set.setId));
  const plan = await planCopies(db, { tape: tape.uuid }, tape.pool, loaded, {
    isWanted: (setId) => needed.has(setId),
    counts: (copy) => isWhole(copy) && ['usable', 'full'].includes(copy.tape_state),
  });
  let bytes = 0;
  for (const { setId, group } of plan.archives) bytes += await sizeOf(db, setId, group);
  const expired = kept.sets
    .filter((set) => !needed.has(set.setId) && set.inPool < set.archives)
    .reduce((sum, set) => sum + set.archives - set.inPool, 0);
  return { ...plan, bytes, expired };
}

async function sizeOf(db: Catalog, setId: string, group: number): Promise<number> {
  const { size } = await db
    .selectFrom('archives')
    .select('size')
    .where('set_id', '=', setId)
    .where('group_no', '=', group)
    .executeTakeFirstOrThrow();
  return size;
}
