import { lastProof } from '../../copies/last-proof.js';
import type { Catalog } from '../../open-catalog.js';
import type { PlannedArchive } from '../retrievals.js';

/** What of all tapes a verify reads: a part, so that in time everything is read. */
export interface Slice {
  /** Seconds within which every copy is to be read once. */
  within: number;
  /** Bytes of archives that are read at most; undefined: no limit. */
  bytes: number | undefined;
}

/** A tape with copies that are due. */
export interface DueTape {
  uuid: string;
  name: string;
  archives: number;
  /** When one of them was last known to be good, of which that is longest ago; milliseconds since 1970. */
  since: number;
  /** How many of them were not read for the whole time. */
  overdue: number;
}

export interface SlicePlan {
  archives: PlannedArchive[];
  /** Tapes with something due that are in no drive, the one with the oldest first. */
  away: DueTape[];
}

/** A copy is due when so much of the time has passed: the rest of it is there to come by its tape. */
const dueAfter = 0.75;
/** More archives are not planned at once. */
const mostArchives = 10_000;

/**
 * Plans to read the copies that are due on the tapes in the drives: first what was never read since it was written,
 * oldest first, then what was read longest ago.
 *
 * @param loaded UUIDs of the tapes in the drives.
 */
export async function planSlice(
  db: Catalog,
  slice: Slice,
  loaded: readonly string[],
  now: number,
): Promise<SlicePlan> {
  const due = now - slice.within * 1000 * dueAfter;
  const away = (await dueTapes(db, due, now - slice.within * 1000)).filter(
    ({ uuid }) => !loaded.includes(uuid),
  );
  if (loaded.length === 0) return { archives: [], away };
  const rows = await db
    .selectFrom('copies')
    .innerJoin('archives', (join) =>
      join.onRef('archives.set_id', '=', 'copies.set_id').onRef('archives.group_no', '=', 'copies.group_no'),
    )
    .select(['copies.set_id', 'copies.group_no', 'copies.copy_no', 'copies.tape_uuid'])
    .select(['archives.members', 'archives.bytes_in', 'archives.size'])
    .where('copies.state', '=', 'committed')
    .where('copies.tape_uuid', 'in', [...loaded])
    .where(lastProof, '<', due)
    .orderBy((eb) => eb.case().when('copies.verified_at', 'is', null).then(0).else(1).end())
    .orderBy(lastProof)
    .orderBy('copies.set_id')
    .orderBy('copies.group_no')
    .limit(mostArchives)
    .execute();
  const chosen: typeof rows = [];
  let left = slice.bytes ?? Infinity;
  for (const row of rows) {
    // One is read in any case: else a size that is too small would never read any.
    if (row.size > left && chosen.length > 0) break;
    left -= row.size;
    chosen.push(row);
  }
  const tapes = [...new Set(chosen.map((row) => row.tape_uuid))];
  const archives = tapes.flatMap((tape) => chosen.filter((row) => row.tape_uuid === tape));
  return {
    away,
    archives: archives.map((row) => ({
      ...{ setId: row.set_id, group: row.group_no, copyNo: row.copy_no, tape: row.tape_uuid },
      ...{ members: row.members, bytes: row.bytes_in },
    })),
  };
}

async function dueTapes(db: Catalog, due: number, overdue: number): Promise<DueTape[]> {
  const rows = await db
    .selectFrom('copies')
    .innerJoin('tapes', 'tapes.uuid', 'copies.tape_uuid')
    .select((eb) => [
      'tapes.uuid',
      'tapes.name',
      eb.fn.countAll<number>().as('archives'),
      eb.fn.min<number>(lastProof).as('since'),
      eb.fn.sum<number>(eb.case().when(lastProof, '<', overdue).then(1).else(0).end()).as('overdue'),
    ])
    .where('copies.state', '=', 'committed')
    .where(lastProof, '<', due)
    .groupBy(['tapes.uuid', 'tapes.name'])
    .execute();
  return rows
    .map((row) => ({ ...row, since: Number(row.since), overdue: Number(row.overdue) }))
    .sort((a, b) => a.since - b.since || (a.name < b.name ? -1 : 1));
}
