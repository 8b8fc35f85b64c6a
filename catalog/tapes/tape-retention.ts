import { sql } from 'kysely';
import { english } from '../../messages/sentence.js';
import { SetRetention, type ExpiryTime } from '../sets/set-retention.js';
import type { CountedReason } from '../sets/pool-counts.js';
import type { Retentions } from '../../config/settings/retention.js';
import type { Catalog } from '../open-catalog.js';
import { finalRetrievalStates } from '../retrievals/retrievals.js';
import { finalSetStates } from '../schema/set-tables.js';
import { listTapes } from './tapes.js';
import type { TapeRow } from '../rows.js';

/** What a tape holds of one set, in committed copies. */
export interface TapeContent {
  setId: string;
  archives: number;
  /** Bytes of the archives, and members in them. */
  bytes: number;
  members: number;
  /** Archives with an intact copy on another tape. */
  elsewhere: number;
  /** Archives with a whole copy on another good tape of the pool: that takes the place of the one here. */
  inPool: number;
  /** Archives of the set that remain on tape when this one is erased. */
  remaining: number;
  expires: ExpiryTime;
  neededUntil: ExpiryTime;
  /** The same whatever the counts say. */
  neededByTime: ExpiryTime;
  /** The counts that keep the set itself, and those that keep what is here, also for sets that build on it. */
  countedReasons: CountedReason[];
  countedNeeds: CountedReason[];
  /** Unexpired sets that build on it. */
  neededBy: string[];
  /** Those of them of which nobody knows what they build on until the tape with that is read. */
  perhapsNeededBy: string[];
}

/** Whether a tape may be erased, and what would be lost. */
export interface TapeRetention {
  tape: TapeRow;
  sets: TapeContent[];
  /** How long something on it is needed; `-Infinity` when it is empty. */
  until: ExpiryTime;
  /** The same whatever the counts say: an earlier time, if a count keeps something on it. */
  untilByTime: ExpiryTime;
  /** Why it cannot be erased now under any circumstances, as sentences without a full stop. */
  inUse: string[];
  /** Everything on it has expired, no unexpired set builds on that, and nothing uses the tape. */
  isRecyclable: boolean;
}

/** What is on a tape, and how long it is needed. */
export async function tapeRetention(
  db: Catalog,
  tape: TapeRow,
  keeping: SetRetention,
  now: number,
): Promise<TapeRetention> {
  const sets = (await committedSets(db, tape)).map((row) => {
    const setId = row.set_id;
    // What another tape of the pool has is not needed from this one.
    const replacedAt = row.inPool === row.archives ? Number(row.replacedAt) : Infinity;
    const neededBy = keeping.unexpiredDependents(setId, now);
    return {
      ...{ setId, archives: row.archives, bytes: row.bytes, members: row.members, elsewhere: row.elsewhere },
      inPool: row.inPool,
      remaining: row.total - (row.archives - row.elsewhere),
      expires: keeping.expires(setId),
      neededUntil: Math.min(keeping.neededUntil(setId, tape.pool), replacedAt),
      neededByTime: Math.min(keeping.neededByTime(setId, tape.pool), replacedAt),
      countedReasons: keeping.countedReasons(setId),
      countedNeeds: replacedAt === Infinity ? keeping.countedNeeds(setId, tape.pool) : [],
      neededBy,
      perhapsNeededBy: neededBy.filter((id) => keeping.isBaseUnread(id)),
    };
  });
  const until = Math.max(-Infinity, ...sets.map((set) => set.neededUntil));
  const untilByTime = Math.max(-Infinity, ...sets.map((set) => set.neededByTime));
  const inUse = await usesOf(db, tape.uuid, sets, keeping);
  const isRecyclable =
    sets.length > 0 && until <= now && inUse.length === 0 && ['usable', 'full'].includes(tape.state);
  return { tape, sets, until, untilByTime, inUse, isRecyclable };
}

async function committedSets(db: Catalog, { uuid: tape, pool }: TapeRow) {
  const another = sql<boolean>`exists (select 1 from copies o where o.set_id = copies.set_id
    and o.group_no = copies.group_no and o.tape_uuid != copies.tape_uuid
    and o.state = 'committed' and o.damage is null)`;
  const replaced = sql<number | null>`(select min(o.committed_at) from copies o
    join tapes ot on ot.uuid = o.tape_uuid
    where o.set_id = copies.set_id and o.group_no = copies.group_no and o.tape_uuid != copies.tape_uuid
    and o.state = 'committed' and o.damage is null and ot.pool = ${pool} and ot.state in ('usable', 'full')
    and coalesce(o.manifest_sha256, archives.manifest_sha256) != '')`;
  const total = sql<number>`(select count(distinct o.group_no) from copies o
    where o.set_id = copies.set_id and o.state = 'committed')`;
  return db
    .selectFrom('copies')
    .innerJoin('archives', (join) =>
      join.onRef('archives.set_id', '=', 'copies.set_id').onRef('archives.group_no', '=', 'copies.group_no'),
    )
    .select((eb) => [
      'copies.set_id',
      eb.fn.countAll<number>().as('archives'),
      eb.fn.sum<number>('archives.size').as('bytes'),
      eb.fn.sum<number>('archives.members').as('members'),
      sql<number>`sum(case when ${another} then 1 else 0 end)`.as('elsewhere'),
      sql<number>`sum(case when ${replaced} is null then 0 else 1 end)`.as('inPool'),
      sql<number | null>`max(${replaced})`.as('replacedAt'),
      total.as('total'),
    ])
    .where('copies.tape_uuid', '=', tape)
    .where('copies.state', '=', 'committed')
    .groupBy('copies.set_id')
    .orderBy('copies.set_id')
    .execute();
}

/** Unfinished sets and retrievals that need the tape and would fail if it were erased. */
async function usesOf(
  db: Catalog,
  tape: string,
  sets: readonly TapeContent[],
  keeping: SetRetention,
): Promise<string[]> {
  const writing = await db
    .selectFrom('copies')
    .innerJoin('sets', 'sets.id', 'copies.set_id')
    .select('copies.set_id')
    .distinct()
    .where('copies.tape_uuid', '=', tape)
    .where('copies.state', 'in', ['writing', 'written', 'committed'])
    .where('sets.state', 'not in', finalSetStates)
    .orderBy('copies.set_id')
    .execute();
  const building = sets
    .filter((set) => set.inPool < set.archives)
    .flatMap((set) => set.neededBy)
    .filter((id) => keeping.isUnfinished(id));
  const reading = await db
    .selectFrom('retrieval_archives')
    .innerJoin('retrievals', 'retrievals.id', 'retrieval_archives.retrieval_id')
    .select('retrievals.id')
    .distinct()
    .where('retrievals.state', 'not in', finalRetrievalStates)
    .where((eb) =>
      eb.or([
        eb.and([
          eb('retrieval_archives.tape_uuid', '=', tape),
          eb('retrieval_archives.state', '=', 'pending'),
        ]),
        // A running copy has unsynced archives here.
        eb.exists(
          eb
            .selectFrom('copies')
            .select('copies.copy_no')
            .whereRef('copies.set_id', '=', 'retrieval_archives.set_id')
            .whereRef('copies.group_no', '=', 'retrieval_archives.group_no')
            .where('copies.tape_uuid', '=', tape)
            .where('copies.state', 'in', ['writing', 'written']),
        ),
      ]),
    )
    .execute();
  return [
    ...writing.map((row) => english`the set ${row.set_id}, which is unfinished, writes to it`),
    ...[...new Set(building)].map(
      (id) => english`the set ${id}, which is unfinished, builds on what it holds`,
    ),
    ...reading.map((row) => english`${row.id}, which is unfinished, needs it`),
  ];
}

/** The same of every tape, by its name. */
export async function tapeRetentions(
  db: Catalog,
  retentions: Retentions,
  now: number,
): Promise<TapeRetention[]> {
  const keeping = await SetRetention.of(db, retentions);
  const kept: TapeRetention[] = [];
  for (const tape of await listTapes(db)) kept.push(await tapeRetention(db, tape, keeping, now));
  return kept;
}

/** Names of the recyclable tapes of a pool. */
export async function recyclableTapes(
  db: Catalog,
  pool: string,
  keeping: SetRetention,
  now: number,
): Promise<string[]> {
  const names: string[] = [];
  for (const tape of await listTapes(db)) {
    if (tape.pool === pool && (await tapeRetention(db, tape, keeping, now)).isRecyclable)
      names.push(tape.name);
  }
  return names;
}
