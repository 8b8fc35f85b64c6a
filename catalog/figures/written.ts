import type { Catalog } from '../open-catalog.js';
import { placesOf } from '../sets/copy-places.js';

/** Bytes of archives that came safely on to tape in one night. */
export interface Night {
  /** When it began: noon of its day, in milliseconds since 1970. */
  at: number;
  bytes: number;
}

/** The nights since a time, oldest first, also those without a byte. A night lasts from noon to noon. */
export async function bytesByNight(db: Catalog, since: number, now: number): Promise<Night[]> {
  const first = nightOf(since);
  const rows = await db
    .selectFrom('copies')
    .innerJoin('archives', (join) =>
      join.onRef('archives.set_id', '=', 'copies.set_id').onRef('archives.group_no', '=', 'copies.group_no'),
    )
    .select(['copies.committed_at', 'archives.size'])
    .where('copies.state', '=', 'committed')
    .where('copies.committed_at', '>=', first)
    .execute();
  const nights = new Map<number, number>();
  for (let at = first; at <= now; at = nextNight(at)) nights.set(at, 0);
  for (const { committed_at: at, size } of rows) {
    const night = nightOf(at ?? 0);
    nights.set(night, (nights.get(night) ?? 0) + size);
  }
  return [...nights].map(([at, bytes]) => ({ at, bytes })).sort((a, b) => a.at - b.at);
}

/** The last noon before a time. */
function nightOf(ms: number): number {
  const noon = new Date(ms);
  noon.setHours(12, 0, 0, 0);
  if (noon.getTime() > ms) noon.setDate(noon.getDate() - 1);
  return noon.getTime();
}

/** The next noon: a day with a change of the clocks is longer or shorter than others. */
function nextNight(noon: number): number {
  const next = new Date(noon);
  next.setDate(next.getDate() + 1);
  return next.getTime();
}

/** How fast an archive was written. */
export interface WrittenArchive {
  at: number;
  /** The drive of its set; of several, all of them. */
  drive: string;
  bytesPerSecond: number;
}

/** The last archives that were written to tape, oldest first. Tiny ones tell nothing of a drive. */
export async function lastWritten(db: Catalog, least: number, limit: number): Promise<WrittenArchive[]> {
  const rows = await db
    .selectFrom('events')
    .innerJoin('sets', 'sets.id', 'events.set_id')
    .select(['events.at', 'events.ms', 'events.bytes', 'sets.drive', 'sets.pool', 'sets.places'])
    .where('events.stage', '=', 'written')
    .where('events.bytes', '>=', least)
    .where('events.ms', '>', 0)
    .orderBy('events.id', 'desc')
    .limit(limit)
    .execute();
  return rows.reverse().map(({ at, ms, bytes, ...set }) => ({
    at,
    drive: [...new Set(placesOf(set).map(({ drive }) => drive))].join(', '),
    bytesPerSecond: (bytes ?? 0) / ((ms ?? 1) / 1000),
  }));
}
