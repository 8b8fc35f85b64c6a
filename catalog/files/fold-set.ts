import { setImmediate as yieldNow } from 'node:timers/promises';
import { type RawBuilder, sql } from 'kysely';
import { executeMany } from '../execute-many.js';
import type { Catalog } from '../open-catalog.js';
import { encodePlaces, placeDigits, placeOf, placesPerRow } from '../schema/places.js';
import { setNamed } from '../sets/sets.js';
import { entryColumns, stateCode, typeCode } from './entry-rows.js';
import { rootFor } from './fold-root.js';
import { layOnParts, partsOf } from './layers.js';
import { forgetNames, nameGroup } from './names.js';

/** Rows of the root in a transaction; all other transactions wait for it. */
const rowsPerStep = 20 * placesPerRow;

/** A set that is folded, and its root, by their layers. */
interface Fold {
  folded: number;
  root: number;
}

/**
 * Folds a full set that is about to be completed on to an earlier one of the same sources, its root, if at least half
 * of its rows say the same as there: they go, and what is left of each is where the set's own archives have the file.
 * Its tree is the same at every moment. If killed, the next call goes on.
 *
 * @param onStep called after each transaction; what it throws ends this.
 */
export async function foldSet(catalog: Catalog, setId: string, onStep: () => void): Promise<void> {
  const fold = await begin(catalog, setId, onStep);
  if (fold === undefined) return;
  const step = async () => {
    onStep();
    // SQLite answers at once, and heartbeats have to be sent.
    await yieldNow();
  };
  while (await foldSome(catalog, fold)) await step();
  const groups = catalog.selectFrom('groups').select(['no', 'first_path', 'last_path']);
  for (const { no, first_path: first, last_path: last } of await groups
    .where('set_id', '=', setId)
    .orderBy('no')
    .execute()) {
    // A search finds what is gone by the root's names.
    await catalog.transaction().execute(async (tx) => {
      await forgetNames(tx, setId, no);
      await nameGroup(tx, { setId, no, first, last });
    });
    await step();
  }
}

/** Lays a set on its root, if it has one and was not laid on it before. */
async function begin(catalog: Catalog, setId: string, onStep: () => void): Promise<Fold | undefined> {
  const [own, below, ...others] = await partsOf(catalog, setId);
  if (own === undefined || others.length > 0) return undefined;
  if (below !== undefined) return below.through === own.no ? { folded: own.no, root: below.no } : undefined;
  const set = await setNamed(catalog, setId);
  const root = await rootFor(catalog, set);
  if (root === undefined) return undefined;
  const fold = { folded: own.no, root };
  if (!(await isWorthIt(catalog, setId, fold, onStep))) return undefined;
  const isLaid = await catalog.transaction().execute(async (tx) => {
    // What lies on the set has its layers, and what the root is may have changed meanwhile.
    const upper = tx.selectFrom('chains').select('layer').where('part', '=', own.no);
    if ((await upper.execute()).length > 1) return false;
    if ((await rootFor(tx, set)) !== root) return false;
    await layOnParts(tx, own.no, [{ no: root, gated: false, through: own.no }]);
    return true;
  });
  return isLaid ? fold : undefined;
}

/** True when at least half of the entries of a set need no row. */
async function isWorthIt(db: Catalog, setId: string, fold: Fold, onStep: () => void): Promise<boolean> {
  const { entries } = await db
    .selectFrom('groups')
    .select((eb) => eb.fn.sum<number | null>('entries').as('entries'))
    .where('set_id', '=', setId)
    .executeTakeFirstOrThrow();
  const enough = Math.max(1, Number(entries) / 2);
  let same = 0;
  for (let after: Uint8Array | undefined; ;) {
    const where = after === undefined ? sql`` : sql`and root.path > ${after}`;
    const rows = await compared(db, fold, where);
    same += rows.filter(({ tar_offset: offset }) => offset !== null && placeOf(offset) !== undefined).length;
    after = rows.at(-1)?.path;
    if (same >= enough) return true;
    if (rows.length < rowsPerStep) return false;
    onStep();
    await yieldNow();
  }
}

/** Folds the next rows; false: there are none left. */
async function foldSome(catalog: Catalog, fold: Fold): Promise<boolean> {
  return catalog.transaction().execute(async (tx) => {
    const last = await tx
      .selectFrom('offsets')
      .selectAll()
      .where('layer', '=', fold.folded)
      .orderBy('first', 'desc')
      .limit(1)
      .executeTakeFirst();
    const from = last === undefined ? sql`` : sql`and root.path >= ${last.first}`;
    const rows = await compared(tx, fold, from, (last?.places.length ?? 0) / placeDigits);
    const gone: unknown[][] = [];
    for (let at = 0; at < rows.length; at += placesPerRow) {
      const some = rows.slice(at, at + placesPerRow);
      const places = some.map(({ path, tar_offset: offset }) => {
        const place = offset === null ? undefined : placeOf(offset);
        if (place !== undefined) gone.push([fold.folded, path]);
        return place ?? 0;
      });
      const [first] = some;
      if (first !== undefined)
        await tx
          .insertInto('offsets')
          .values({ layer: fold.folded, first: first.path, places: encodePlaces(places) })
          .execute();
    }
    const remove = tx.deleteFrom('entries').where('layer', '=', 0).where('path', '=', new Uint8Array());
    await executeMany(tx, remove.compile(), gone);
    return rows.length === rowsPerStep;
  });
}

/** What has to be the same: not the device, whose number some file systems change when they are remounted. */
const others = ['layer', 'path', 'dev', 'group_no', 'tar_offset'];
const sameColumns = entryColumns.filter((column) => !others.includes(column));

/**
 * The next paths of the root, and where the archives of the other set have the same; null: its row says something else,
 * or has to stay, as in an incremental set (`isInherited`).
 */
async function compared(
  db: Catalog,
  { folded, root }: Fold,
  where: RawBuilder<unknown>,
  leaveOut = 0,
): Promise<{ path: Uint8Array; tar_offset: number | null }[]> {
  const same = sameColumns.map((column) => `own.${column} is not distinct from root.${column}`);
  const { rows } = await sql<{ path: Uint8Array; tar_offset: number | null }>`
    select root.path, own.tar_offset
    from entries as root left join entries as own on own.layer = ${folded} and own.path = root.path
      and own.type = ${sql.lit(typeCode('file'))} and own.state = ${sql.lit(stateCode('packed'))}
      and own.nlink = 1 and own.sha256 is not null
      and own.reason is null and own.link_target is null and own.hard_link_of is null and own.held_layer is null
      and ${sql.raw(same.join(' and '))}
    where root.layer = ${root} ${where}
    order by root.path limit ${sql.lit(rowsPerStep)} offset ${sql.lit(leaveOut)}`.execute(db);
  return rows;
}
