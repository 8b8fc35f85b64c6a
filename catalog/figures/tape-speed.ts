import type { Catalog } from '../open-catalog.js';

/** Bytes of archives per second that the drives of this installation have read and written lately. */
export interface TapeSpeeds {
  /** Undefined: nothing was read, or written, yet. */
  read: number | undefined;
  write: number | undefined;
}

/** So many archives are counted, the newest ones. */
const counted = 200;

/** How fast the drives were lately, pauses between archives not counted. */
export async function tapeSpeeds(db: Catalog): Promise<TapeSpeeds> {
  const read = await db
    .selectFrom('retrieval_archives as r')
    .innerJoin('retrievals', 'retrievals.id', 'r.retrieval_id')
    .innerJoin('archives as a', (join) =>
      join.onRef('a.set_id', '=', 'r.set_id').onRef('a.group_no', '=', 'r.group_no'),
    )
    .select(['a.size as bytes', 'r.ms'])
    .where('retrievals.kind', '=', 'verify')
    .where('r.state', '=', 'done')
    .where('r.ms', '>', 0)
    .orderBy('retrievals.created_at', 'desc')
    .limit(counted)
    .execute();
  const written = await db
    .selectFrom('events')
    .select(['bytes', 'ms'])
    .where('stage', '=', 'written')
    .where('ms', '>', 0)
    .orderBy('id', 'desc')
    .limit(counted)
    .execute();
  return { read: speedOf(read), write: speedOf(written) };
}

function speedOf(rows: readonly { bytes: number | null; ms: number | null }[]): number | undefined {
  let bytes = 0;
  let ms = 0;
  for (const row of rows) {
    bytes += row.bytes ?? 0;
    ms += row.ms ?? 0;
  }
  return ms === 0 || bytes === 0 ? undefined : (bytes * 1000) / ms;
}
