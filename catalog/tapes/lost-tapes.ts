import { english } from '../../messages/sentence.js';
import type { Catalog } from '../open-catalog.js';
import { dropUnsyncedIn, loseCommitted, regainCommitted } from '../copies/lost-copies.js';
import { transitionTape } from './tape-states.js';
import type { TapeRow } from '../rows.js';

/** Groups of one set that are no longer on any tape. */
export interface LostGroups {
  setId: string;
  groups: number[];
}

/** Groups that no other tape holds: no longer staged, with committed copies on this tape only. */
export async function heldOnlyBy(db: Catalog, tape: TapeRow): Promise<LostGroups[]> {
  const rows = await db
    .selectFrom('copies')
    .innerJoin('groups', (join) =>
      join.onRef('groups.set_id', '=', 'copies.set_id').onRef('groups.no', '=', 'copies.group_no'),
    )
    .select(['copies.set_id', 'copies.group_no'])
    .where('copies.tape_uuid', '=', tape.uuid)
    .where('copies.state', '=', 'committed')
    .where('groups.state', '=', 'released')
    .where((eb) =>
      eb.not(
        eb.exists(
          eb
            .selectFrom('copies as other')
            .select('other.copy_no')
            .whereRef('other.set_id', '=', 'copies.set_id')
            .whereRef('other.group_no', '=', 'copies.group_no')
            .where('other.tape_uuid', '!=', tape.uuid)
            .where('other.state', '=', 'committed'),
        ),
      ),
    )
    .orderBy('copies.set_id')
    .orderBy('copies.group_no')
    .execute();
  const found = new Map<string, number[]>();
  for (const { set_id: setId, group_no: group } of rows)
    found.set(setId, [...(found.get(setId) ?? []), group]);
  return [...found].map(([setId, groups]) => ({ setId, groups }));
}

/**
 * Marks a tape as gone for good: its committed copies no longer count, and its unsynced copies are written again.
 * Groups waiting for release are still staged and are written again too.
 * @returns the groups with an unsynced copy on it.
 */
export async function markTapeLost(
  catalog: Catalog,
  tape: TapeRow,
): Promise<{ setId: string; group: number }[]> {
  return catalog.transaction().execute(async (tx) => {
    const reason = english`tape ${tape.name} is lost`;
    await transitionTape(tx, tape.uuid, 'lose', english`marked as lost by a command`);
    const unsynced = await dropUnsyncedIn(tx, tape.uuid, reason);
    await loseCommitted(tx, tape.uuid, reason);
    return unsynced;
  });
}

/** Numbers of a set's groups that were committed and of which no tape holds a copy any more. */
export async function lostGroupsOf(db: Catalog, setId: string): Promise<number[]> {
  const groups = await db
    .selectFrom('groups')
    .select('no')
    .where('set_id', '=', setId)
    .where('state', '=', 'released')
    .where((eb) =>
      eb.not(
        eb.exists(
          eb
            .selectFrom('copies')
            .select('copies.copy_no')
            .whereRef('copies.set_id', '=', 'groups.set_id')
            .whereRef('copies.group_no', '=', 'groups.no')
            .where('copies.state', '=', 'committed'),
        ),
      ),
    )
    // Groups on an erased tape do not count as lost.
    .where((eb) =>
      eb.exists(
        eb
          .selectFrom('copies')
          .select('copies.copy_no')
          .whereRef('copies.set_id', '=', 'groups.set_id')
          .whereRef('copies.group_no', '=', 'groups.no')
          .where('copies.state', '=', 'lost')
          .where('copies.committed_at', 'is not', null),
      ),
    )
    .orderBy('no')
    .execute();
  return groups.map((row) => row.no);
}

/** Marks a lost tape as found, in its previous state: what was committed on it counts again. */
export async function markTapeFound(
  catalog: Catalog,
  tape: TapeRow,
): Promise<{ tape: TapeRow; archives: number }> {
  return catalog.transaction().execute(async (tx) => {
    const found = await transitionTape(tx, tape.uuid, 'find');
    if (found === undefined) return { tape, archives: 0 };
    return { tape: found, archives: await regainCommitted(tx, tape.uuid) };
  });
}

/** Number of committed archives on each tape, by UUID, and how many of them are damaged. */
export async function archivesOnTapes(
  db: Catalog,
): Promise<Map<string, { archives: number; damaged: number }>> {
  const rows = await db
    .selectFrom('copies')
    .select((eb) => [
      'tape_uuid',
      eb.fn.countAll<number>().as('archives'),
      eb.fn.count<number>('damage').as('damaged'),
    ])
    .where('state', '=', 'committed')
    .groupBy('tape_uuid')
    .execute();
  return new Map(rows.map(({ tape_uuid: uuid, archives, damaged }) => [uuid, { archives, damaged }]));
}
