import { listedCounts } from '../files/listed-files.js';
import type { Catalog } from '../open-catalog.js';
import type { GroupState } from '../schema/group-tables.js';
import type { SetState } from '../schema/set-tables.js';
import { lostGroupsOf } from '../tapes/lost-tapes.js';
import { type CopyPlace, placesOf } from './copy-places.js';
import { setNamed } from './sets.js';

/** What a set has done so far; sizes in bytes, times in milliseconds since 1970. */
export interface SetSummary {
  setId: string;
  status: SetState;
  reason: string | null;
  sources: string[];
  pool: string;
  drive: string;
  /** For each copy: where it goes, and how many of its archives are committed. */
  copies: (CopyPlace & { archives: number })[];
  mode: string;
  /** The set that it builds on. */
  base: string | null;
  groups: number;
  archives: number;
  files: number;
  /** Entries held by earlier sets. */
  unchanged: number;
  skipped: number;
  /** Stored entries that differ from what the scan saw. */
  flagged: number;
  bytesIn: number;
  bytesOut: number;
  seconds: number;
  tapes: string[];
  scanned: boolean;
  plannedBytes: number;
  stagedBytes: number;
  stages: Partial<Record<GroupState, number>>;
  failedGroups: { group: number; reason: string }[];
  /** Groups that are no longer on any tape. */
  lostGroups: number[];
  leftOut: string[];
}

/**
 * Sums up a set from the catalog alone. `files` counts members of committed archives; `skipped` and `flagged` count the
 * entries of those lists.
 */
export async function summarizeSet(db: Catalog, setId: string): Promise<SetSummary> {
  const set = await setNamed(db, setId);
  const stages: Partial<Record<GroupState, number>> = {};
  let groups = 0;
  let plannedBytes = 0;
  let stagedBytes = 0;
  let unchanged = 0;
  const byState = await db
    .selectFrom('groups')
    .select((eb) => [
      'state',
      eb.fn.countAll<number>().as('count'),
      eb.fn.sum<number>('bytes').as('bytes'),
      eb.fn.sum<number>('reserved').as('reserved'),
      eb.fn.sum<number>('unchanged').as('unchanged'),
    ])
    .where('set_id', '=', setId)
    .groupBy('state')
    .execute();
  for (const row of byState) {
    stages[row.state] = row.count;
    if (row.state !== 'open') groups += row.count;
    plannedBytes += Number(row.bytes);
    stagedBytes += Number(row.reserved);
    unchanged += Number(row.unchanged);
  }
  const committed = await db
    .selectFrom('archives')
    .select((eb) => [
      eb.fn.countAll<number>().as('archives'),
      eb.fn.sum<number | null>('archives.members').as('files'),
      eb.fn.sum<number | null>('archives.bytes_in').as('bytesIn'),
      eb.fn.sum<number | null>('archives.size').as('bytesOut'),
    ])
    .where('archives.set_id', '=', setId)
    .where((eb) =>
      eb.exists(
        eb
          .selectFrom('copies')
          .select('copies.copy_no')
          .whereRef('copies.set_id', '=', 'archives.set_id')
          .whereRef('copies.group_no', '=', 'archives.group_no')
          .where('copies.state', '=', 'committed'),
      ),
    )
    .executeTakeFirstOrThrow();
  const byCopy = await db
    .selectFrom('copies')
    .select((eb) => ['copy_no', eb.fn.countAll<number>().as('archives')])
    .where('set_id', '=', setId)
    .where('state', '=', 'committed')
    .groupBy('copy_no')
    .execute();
  const { skipped, flagged } = await listedCounts(db, setId);
  const tapes = await db
    .selectFrom('copies')
    .innerJoin('tapes', 'tapes.uuid', 'copies.tape_uuid')
    .select('tapes.name')
    .distinct()
    .where('copies.set_id', '=', setId)
    .where('copies.state', 'in', ['writing', 'written', 'committed'])
    .orderBy('tapes.name')
    .execute();
  const failed = await db
    .selectFrom('groups')
    .select(['no', 'reason'])
    .where('set_id', '=', setId)
    .where('state', '=', 'failed')
    .orderBy('no')
    .limit(1000)
    .execute();
  return {
    setId,
    status: set.state,
    reason: set.reason,
    sources: JSON.parse(set.sources) as string[],
    pool: set.pool,
    drive: set.drive,
    copies: placesOf(set).map((place, index) => ({
      ...place,
      archives: byCopy.find((row) => row.copy_no === index + 1)?.archives ?? 0,
    })),
    mode: set.mode,
    base: set.base_id,
    groups,
    archives: committed.archives,
    files: Number(committed.files ?? 0),
    unchanged,
    skipped,
    flagged,
    bytesIn: Number(committed.bytesIn ?? 0),
    bytesOut: Number(committed.bytesOut ?? 0),
    // A wall clock that was set back in between must not make it negative.
    seconds: Math.max(0, Math.round(((set.finished_at ?? Date.now()) - set.created_at) / 10) / 100),
    tapes: tapes.map((tape) => tape.name),
    scanned: set.scanned === 1,
    plannedBytes,
    stagedBytes,
    stages,
    failedGroups: failed.map((row) => ({ group: row.no, reason: row.reason ?? 'unknown' })),
    lostGroups: await lostGroupsOf(db, setId),
    leftOut: JSON.parse(set.left_out) as string[],
  };
}
