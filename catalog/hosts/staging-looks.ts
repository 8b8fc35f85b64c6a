import type { Catalog } from '../open-catalog.js';
import { timeOf } from './hosts.js';

/**
 * What a host last found of the others' marks in its staging folder. Times are by the catalog's clock, in milliseconds
 * since 1970.
 */
export interface StagingLook {
  host: string;
  /** Its staging folder. */
  root: string;
  /** Hosts whose mark it does not see. */
  unseen: string[];
  /** When it began to look; of one that saw all of them, when it first did. */
  at: number;
  /** What its own mark says; null: it has left none, since its staging folder is missing. */
  mark: string | null;
  /** By when its own mark was there; null: it has left none. */
  markedAt: number | null;
}

const prefix = 'staging_look:';

/** Under which key `meta` has what a host sees. */
export const lookKey = (host: string) => `${prefix}${host}`;

/** Writes down what a host sees; where it sees all, only when that has changed. */
export async function recordLook(db: Catalog, look: Omit<StagingLook, 'markedAt'>): Promise<void> {
  const key = lookKey(look.host);
  const row = await db.selectFrom('meta').select('value').where('key', '=', key).executeTakeFirst();
  const known = row === undefined ? undefined : (JSON.parse(row.value) as Partial<StagingLook>);
  const isMarkKnown = known?.root === look.root && known.mark === look.mark;
  if (isMarkKnown && look.unseen.length === 0 && known.unseen?.length === 0) return;
  const before = isMarkKnown ? (known.markedAt ?? null) : null;
  const markedAt = look.mark === null ? null : (before ?? (await timeOf(db)));
  const value = JSON.stringify({ ...look, markedAt } satisfies StagingLook);
  await db
    .insertInto('meta')
    .values({ key, value })
    .onConflict((conflict) => conflict.column('key').doUpdateSet({ value }))
    .execute();
}

/** What each host sees, by its name. */
export async function listLooks(db: Catalog): Promise<Map<string, StagingLook>> {
  const rows = await db.selectFrom('meta').select('value').where('key', 'like', `${prefix}%`).execute();
  const looks = rows.map(({ value }) => JSON.parse(value) as StagingLook);
  return new Map(looks.map((look) => [look.host, look]));
}
