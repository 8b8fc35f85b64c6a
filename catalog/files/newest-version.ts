import { sql } from 'kysely';
import { english } from '../../messages/sentence.js';
import { fromBytes, toBytes } from '../../entry/byte-string.js';
import type { Catalog } from '../open-catalog.js';
import type { FileRow } from '../rows.js';
import { listSets } from '../sets/sets.js';
import { layerOf } from './entry-rows.js';
import { isWholeRow } from './whole-rows.js';
import { folderRange } from './folder-range.js';

/** The newest version of a path that is on tape. */
export interface NewestVersion {
  setId: string;
  /** False for a file of which no set has a whole version: then it is the newest of those. */
  isWhole: boolean;
  /** Newer sets in which the file is not whole, newest first, and why. */
  damaged: { setId: string; reason: string }[];
}

/**
 * The newest set with one of these members, or something below it, in a committed archive; for a file, the newest one
 * in which it is whole, if any. Undefined: none has it.
 *
 * @param host only sets of this host's sources; null: of the home of the installation.
 * @param before only sets that ended before this time, in milliseconds since 1970.
 */
export async function newestVersion(
  db: Catalog,
  names: readonly string[],
  before?: number,
  host: string | null = null,
): Promise<NewestVersion | undefined> {
  const damaged: NewestVersion['damaged'] = [];
  let partly: string | undefined;
  for (const { id, host: of, scanned, finished_at: ended } of await listSets(db)) {
    if (of !== host) continue;
    if (before !== undefined && (ended === null || ended >= before)) continue;
    const skipped = (await rowsNamed(db, id, names)).find(
      (row) => !isWholeRow(row) && row.state === 'skipped',
    );
    if (skipped !== undefined) damaged.push({ setId: id, reason: skipped.reason ?? english`it was skipped` });
    if (!(await isOnTape(db, id, names, scanned === 1))) continue;
    if (skipped === undefined) return { setId: id, isWhole: true, damaged };
    partly ??= id;
  }
  if (partly === undefined) return undefined;
  const newer = damaged.findIndex(({ setId }) => setId === partly);
  return { setId: partly, isWhole: false, damaged: damaged.slice(0, newer + 1) };
}

/** An entry of a set that its archives do not hold as the source had it. */
export interface NotWhole {
  /** Member name, a byte string; that of a folder ends in `/`. */
  name: string;
  reason: string;
}

/**
 * What of a set is below one of these folders, and is not whole.
 *
 * @param limit of the entries that are returned, in the order of their names; `count` counts all.
 */
export async function notWholeBelow(
  db: Catalog,
  setId: string,
  names: readonly string[],
  limit: number,
): Promise<{ count: number; first: NotWhole[] }> {
  const ranges = names.map((name) => (name === '' ? undefined : folderRange(name)));
  // As `isWholeRow` says.
  const below = db
    .selectFrom('layer_files')
    .where('layer', '=', layerOf(setId))
    .where('state', '=', 'skipped')
    .where('sha256', 'is', null)
    .$if(!ranges.includes(undefined), (query) =>
      query.where((eb) =>
        eb.or(
          ranges.flatMap((range) =>
            range === undefined ? [] : [eb.and([eb('path', '>=', range[0]), eb('path', '<', range[1])])],
          ),
        ),
      ),
    );
  const { count } = await below
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow();
  if (Number(count) === 0) return { count: 0, first: [] };
  const rows = await below.select(['path', 'reason']).orderBy('path').limit(limit).execute();
  const first = rows.map(({ path, reason }) => ({
    name: fromBytes(path),
    reason: reason ?? english`it was skipped`,
  }));
  return { count: Number(count), first };
}

/** Rows of a set that have one of these names, which no folder has: a folder's ends in `/`. */
async function rowsNamed(db: Catalog, setId: string, names: readonly string[]): Promise<FileRow[]> {
  return db
    .selectFrom('files')
    .selectAll()
    .where('set_id', '=', setId)
    .where('path', 'in', names.map(toBytes))
    .execute();
}

/** True when a set has one of these members, or something below it, in a committed archive. */
async function isOnTape(
  db: Catalog,
  setId: string,
  names: readonly string[],
  isScanned: boolean,
): Promise<boolean> {
  for (const name of names) {
    const [from, before] = folderRange(name);
    const row = await db
      .selectFrom('files')
      .innerJoin('copies', (join) =>
        join
          .on('copies.set_id', '=', sql<string>`coalesce(files.held_set, files.set_id)`)
          .on('copies.group_no', '=', sql<number>`coalesce(files.held_group, files.group_no)`),
      )
      .select('files.set_id')
      .where('files.set_id', '=', setId)
      .where('copies.state', '=', 'committed')
      .where('files.tar_offset', 'is not', null)
      // What earlier sets have on tape says nothing about the progress of this set's scan.
      .$if(!isScanned, (query) => query.where('files.state', '!=', 'unchanged'))
      .where((eb) =>
        eb.or([
          eb('files.path', '=', toBytes(name)),
          eb.and([eb('files.path', '>=', from), eb('files.path', '<', before)]),
        ]),
      )
      .limit(1)
      .executeTakeFirst();
    if (row !== undefined) return true;
  }
  return false;
}
