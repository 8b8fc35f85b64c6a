import type { Selectable } from 'kysely';
import type { Catalog } from '../open-catalog.js';
import type { EventsTable } from '../schema/group-tables.js';

/** The key stages of a group, as in the log's `stage` field and in the catalog's events. */
export type Stage =
  | 'planned'
  | 'compressing'
  | 'compressed'
  | 'promoting'
  | 'promoted'
  | 'final_visible'
  | 'queued'
  | 'writing'
  | 'written'
  | 'synced'
  | 'committed'
  | 'released'
  | 'failed'
  | 'final_timeout'
  | 'lost';

export interface GroupEvent {
  setId: string;
  /** Null for an event of the whole set. */
  group: number | null;
  stage: string;
  /** Duration of the stage in milliseconds, if it has one. */
  ms?: number | undefined;
  bytes?: number | undefined;
  detail?: string | undefined;
  /** Time in milliseconds since 1970; default: now. */
  at?: number | undefined;
}

/** Records events, in the caller's transaction when `db` is one. */
export async function recordEvents(
  db: Catalog,
  events: readonly GroupEvent[],
  at = Date.now(),
): Promise<void> {
  if (events.length === 0) return;
  const rows = events.map((event) => ({
    set_id: event.setId,
    group_no: event.group,
    stage: event.stage,
    at: event.at ?? at,
    ms: event.ms === undefined ? null : Math.round(event.ms),
    bytes: event.bytes ?? null,
    detail: event.detail ?? null,
  }));
  await db.insertInto('events').values(rows).execute();
}

/** An event as it was recorded, of a set that is known. */
export type RecordedEvent = Omit<Selectable<EventsTable>, 'set_id'>;

/** Events of a set in order; of one group when it is given; only those after `afterId`. */
export async function eventsOf(
  db: Catalog,
  setId: string,
  options: { group?: number; afterId?: number; limit?: number } = {},
): Promise<RecordedEvent[]> {
  let query = db
    .selectFrom('events')
    .select(['id', 'group_no', 'stage', 'at', 'ms', 'bytes', 'detail'])
    .where('set_id', '=', setId)
    .where('id', '>', options.afterId ?? 0)
    .orderBy('id')
    .limit(options.limit ?? 10_000);
  if (options.group !== undefined) query = query.where('group_no', '=', options.group);
  return query.execute();
}

/** The last events of a set, in order. */
export async function lastEvents(db: Catalog, setId: string, limit: number): Promise<RecordedEvent[]> {
  const rows = await db
    .selectFrom('events')
    .select(['id', 'group_no', 'stage', 'at', 'ms', 'bytes', 'detail'])
    .where('set_id', '=', setId)
    .orderBy('id', 'desc')
    .limit(limit)
    .execute();
  return rows.reverse();
}

/** Id of the set's last event; 0 when it has none. */
export async function lastEvent(db: Catalog, setId: string): Promise<number> {
  const row = await db
    .selectFrom('events')
    .select((eb) => eb.fn.max<number | null>('id').as('last'))
    .where('set_id', '=', setId)
    .executeTakeFirst();
  return row?.last ?? 0;
}
