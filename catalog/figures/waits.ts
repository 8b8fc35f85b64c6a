import type { Catalog } from '../open-catalog.js';
import { placesOf } from '../sets/copy-places.js';
import type { SetState } from '../schema/set-tables.js';

/** Something that waits for a person. */
export interface Wait {
  /** The set, restore, verify or copy. */
  id: string;
  kind: 'backup' | 'restore' | 'verify' | 'copy';
  /** `tape`: that one is loaded; `resume`: that a paused set goes on. */
  awaits: 'tape' | 'resume';
  /** Where, and for a tape of which pool; empty where several are possible, or it is not known. */
  drive: string;
  pool: string;
  /** The one tape that is wanted, by its name; empty where any of the pool will do. */
  tape: string;
  /** What is in the way, as a sentence. */
  reason: string | null;
  /** Milliseconds since 1970; undefined for a restore, a verify or a copy, whose catalog has no time of it. */
  since: number | undefined;
}

/** Everything that waits for a person now, by its id. */
export async function waitsForPeople(db: Catalog): Promise<Wait[]> {
  return [...(await waitingSets(db)), ...(await waitingRetrievals(db))];
}

async function waitingSets(db: Catalog): Promise<Wait[]> {
  const sets = await db
    .selectFrom('sets')
    .select(['id', 'state', 'pool', 'drive', 'places', 'reason'])
    .where('state', 'in', ['waiting_for_tape', 'paused'])
    .orderBy('id')
    .execute();
  const waits: Wait[] = [];
  for (const set of sets) {
    const places = placesOf(set);
    const only = (values: string[]) => (new Set(values).size === 1 ? (values[0] ?? '') : '');
    waits.push({
      ...{ id: set.id, kind: 'backup', awaits: set.state === 'paused' ? 'resume' : 'tape' },
      drive: only(places.map(({ drive }) => drive)),
      pool: only(places.map(({ pool }) => pool)),
      ...{ tape: '', reason: set.reason, since: await stateSince(db, set.id, set.state) },
    });
  }
  return waits;
}

/** Number of a set's own events that are looked at: a wait changes its reason now and then, which is an event too. */
const eventsLookedAt = 200;

/** When a set got into its state: its events since then are all of that state. */
async function stateSince(db: Catalog, setId: string, state: SetState): Promise<number | undefined> {
  const states: SetState[] = ['scanning', 'running', 'waiting_for_tape', 'paused'];
  const events = await db
    .selectFrom('events')
    .select(['stage', 'at'])
    .where('set_id', '=', setId)
    .where('group_no', 'is', null)
    .where('stage', 'in', states)
    .orderBy('id', 'desc')
    .limit(eventsLookedAt)
    .execute();
  const other = events.findIndex(({ stage }) => stage !== state);
  return (other < 0 ? events : events.slice(0, other)).at(-1)?.at;
}

async function waitingRetrievals(db: Catalog): Promise<Wait[]> {
  const rows = await db
    .selectFrom('retrievals')
    .select(['id', 'kind', 'drive', 'any_drive', 'reason'])
    .where('state', '=', 'waiting_for_tape')
    .orderBy('id')
    .execute();
  const waits: Wait[] = [];
  for (const { id, kind, drive, any_drive: any, reason } of rows) {
    const next = await db
      .selectFrom('retrieval_archives')
      .innerJoin('tapes', 'tapes.uuid', 'retrieval_archives.tape_uuid')
      .select(['tapes.pool', 'tapes.name'])
      .where('retrieval_id', '=', id)
      .where('retrieval_archives.state', '=', 'pending')
      .orderBy('no')
      .limit(1)
      .executeTakeFirst();
    const { pool = '', name: tape = '' } = next ?? {};
    const where = { drive: any === 1 ? '' : drive, pool };
    waits.push({ ...{ id, kind, awaits: 'tape', reason, since: undefined }, ...where, tape });
  }
  return waits;
}
