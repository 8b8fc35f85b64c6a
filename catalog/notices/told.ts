import type { Catalog } from '../open-catalog.js';

/** What a channel was told of is remembered so long: longer than anything that is told once can be found again. */
const rememberedForMs = 366 * 86_400_000;

/** What a channel was told of a condition: when last (milliseconds since 1970), and how far that had come. */
export interface Told {
  at: number;
  mark: string;
}

/** What a channel was told of these conditions, by key. */
export async function toldOf(
  db: Catalog,
  channel: string,
  keys: readonly string[],
): Promise<Map<string, Told>> {
  if (keys.length === 0) return new Map();
  const rows = await db
    .selectFrom('told')
    .select(['key', 'at', 'mark'])
    .where('channel', '=', channel)
    .where('key', 'in', keys)
    .execute();
  return new Map(rows.map(({ key, at, mark }) => [key, { at, mark }]));
}

/**
 * Records that a channel is told of a condition now, in the caller's transaction.
 *
 * @param before what it was told, as the caller knows it; undefined: nothing.
 * @returns false when another worker was faster: then it is not told again.
 */
export async function recordTold(
  tx: Catalog,
  { channel, key, mark, before }: { channel: string; key: string; mark: string; before: Told | undefined },
  now: number,
): Promise<boolean> {
  if (before === undefined) {
    const made = await tx
      .insertInto('told')
      .values({ channel, key, mark, at: now })
      .onConflict((conflict) => conflict.doNothing())
      .executeTakeFirst();
    return (made.numInsertedOrUpdatedRows ?? 0n) > 0n;
  }
  const { numUpdatedRows } = await tx
    .updateTable('told')
    .set({ at: now, mark })
    .where('channel', '=', channel)
    .where('key', '=', key)
    .where('at', '=', before.at)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

/** Forgets what was told long ago. */
export async function tidyTold(db: Catalog, now: number): Promise<void> {
  await db
    .deleteFrom('told')
    .where('at', '<', now - rememberedForMs)
    .execute();
}
