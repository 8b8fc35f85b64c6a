import type { Catalog } from '../open-catalog.js';
import { timeOf } from './hosts.js';

/** What a host last found of the others' marks in its staging folder. */
export interface StagingLook {
  host: string;
  /** Its staging folder. */
  root: string;
  /** Hosts whose mark it does not see. */
  unseen: string[];
  /** By the catalog's clock, in milliseconds since 1970. */
  at: number;
}

const prefix = 'staging_look:';

/** Under which key `meta` has what a host sees. */
export const lookKey = (host: string) => `${prefix}${host}`;

/** Writes down what a host sees; only where that has changed since. */
export async function recordLook(db: Catalog, look: Omit<StagingLook, 'at'>): Promise<void> {
  const key = lookKey(look.host);
  const known = await db.selectFrom('meta').select('value').where('key', '=', key).executeTakeFirst();
  if (known !== undefined) {
    const { root, unseen } = JSON.parse(known.value) as StagingLook;
    if (root === look.root && unseen.join() === look.unseen.join()) return;
  }
  const value = JSON.stringify({ ...look, at: await timeOf(db) });
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
