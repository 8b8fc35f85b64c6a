import { toBytes } from '../../entry/byte-string.js';
import { layerRows } from './layer-rows.js';
import { partsOf } from './layers.js';
import { treeRows } from './tree-rows.js';
import { groupOf } from '../groups/groups.js';
import { setNamed } from '../sets/sets.js';
import type { Catalog } from '../open-catalog.js';
import type { FileRow } from '../rows.js';
import { layerOf, storedNumber } from './entry-rows.js';

/** Columns that packing needs of an entry; reading whole rows takes nearly twice as long. */
const plannedColumns = [
  ...([
    'path',
    'type',
    'size',
    'mtime_s',
    'mtime_ns',
    'ctime_s',
    'ctime_ns',
    'mode',
    'uid',
    'gid',
    'dev',
    'ino',
    'nlink',
  ] as const),
  ...(['link_target', 'hard_link_of', 'state', 'reason', 'attributes'] as const),
  // For unchanged entries, which the manifest lists.
  ...(['held_set', 'held_group', 'sha256', 'tar_offset'] as const),
  'stored_size',
] as const;

export type PlannedRow = Pick<FileRow, (typeof plannedColumns)[number]>;

/** Rows per page when the members of a group are read. */
export const filePageSize = 1000;

/** The columns that say where an entry's content is. */
export type HeldRow = Pick<FileRow, 'set_id' | 'group_no' | 'held_set' | 'held_group'>;

/** The archive that holds an entry's content: its own set's, or for an unchanged entry that of an earlier set. */
export function holderOf(row: HeldRow): { setId: string; group: number } {
  return { setId: row.held_set ?? row.set_id, group: row.held_group ?? row.group_no };
}

/** What a set has of a group that no layer below it says. */
export interface GroupPage {
  rows: PlannedRow[];
  /** Paths that the base has, and this set has not. */
  gone: Uint8Array[];
}

/** Members of a group in archive order, in pages, without the unchanged ones that have no row. */
export async function* filesOfGroup(db: Catalog, setId: string, no: number): AsyncGenerator<GroupPage> {
  const { first_path: from, last_path: upTo } = await groupOf(db, setId, no);
  const [own] = await partsOf(db, setId);
  if (own === undefined) return;
  if (!own.gated && (await setNamed(db, setId)).base_id === null) {
    // A full set, which may be folded.
    for await (const rows of treeRows(db, setId, { from, upTo }, plannedColumns)) yield { rows, gone: [] };
    return;
  }
  const how = { columns: plannedColumns, first: filePageSize, limit: filePageSize };
  for await (const page of layerRows(db, own, { from, upTo }, how)) {
    const gone = page.filter(({ state }) => state === 'gone').map(({ path }) => path);
    const rows = gone.length === 0 ? page : page.filter(({ state }) => state !== 'gone');
    yield { rows: rows as PlannedRow[], gone };
  }
}

/** Every set's row of one member name, newest set first. */
export async function fileEverywhere(db: Catalog, memberName: string): Promise<FileRow[]> {
  return db
    .selectFrom('files')
    .selectAll()
    .where('path', '=', toBytes(memberName))
    .orderBy('set_id', 'desc')
    .execute();
}

/** The rows of one name in a set, as a file and as a folder. */
export async function fileRows(db: Catalog, setId: string, memberName: string): Promise<FileRow[]> {
  return db
    .selectFrom('files')
    .selectAll()
    .where('set_id', '=', setId)
    .where('path', 'in', [toBytes(memberName)])
    .execute();
}

/** What shows which archive holds a path's content. */
export type FirstPathRow = HeldRow & Pick<FileRow, 'path' | 'link_target' | 'state'>;

/** The first path in a set of an inode with several names, and the archive that holds it or is planned to. */
export function firstPathOf(db: Catalog, setId: string, dev: string, ino: string) {
  return db
    .selectFrom('files')
    .select(['path', 'link_target', 'state', 'set_id', 'group_no', 'held_set', 'held_group'])
    .where('set_id', '=', setId)
    .where('path', '=', namesQuery(db, setId, dev, ino).limit(1));
}

/** The names in a set of an inode with several. */
function namesQuery(db: Catalog, setId: string, dev: string, ino: string) {
  return (
    db
      .selectFrom('entries')
      .select('path')
      .where('layer', '=', layerOf(setId))
      .where('dev', '=', storedNumber(dev))
      .where('ino', '=', storedNumber(ino))
      // A literal, because SQLite would not use the partial index otherwise.
      .where((eb) => eb('nlink', '>', eb.lit(1)))
      .orderBy('path')
  );
}

/** Names of an inode in a page; hardly any has more. */
const namesInPage = 100;

/** Paths in a set of an inode with several names, in pages. */
export async function* namesOfInode(
  db: Catalog,
  setId: string,
  { dev, ino }: { dev: string; ino: string },
): AsyncGenerator<Uint8Array[]> {
  let after: Uint8Array | undefined;
  for (;;) {
    let query = namesQuery(db, setId, dev, ino).limit(namesInPage);
    if (after !== undefined) query = query.where('path', '>', after);
    const names = (await query.execute()).map(({ path }) => path);
    if (names.length > 0) yield names;
    if (names.length < namesInPage) return;
    after = names.at(-1);
  }
}

/** The rows of a set at some paths, in order; at most a page. */
export function rowsAt(db: Catalog, setId: string, paths: readonly Uint8Array[]): Promise<FileRow[]> {
  return db
    .selectFrom('files')
    .selectAll()
    .where('set_id', '=', setId)
    .where('path', 'in', paths)
    .orderBy('path')
    .execute();
}

/** The inode of a path in a set, and what holds it; undefined when the set does not have the path. */
export async function holdingOf(
  db: Catalog,
  setId: string,
  path: Uint8Array,
): Promise<Pick<FileRow, 'dev' | 'ino' | 'held_set' | 'held_group'> | undefined> {
  return db
    .selectFrom('files')
    .select(['dev', 'ino', 'held_set', 'held_group'])
    .where('set_id', '=', setId)
    .where('path', '=', path)
    .executeTakeFirst();
}

/**
 * Whether a file that was a hard link when an earlier archive stored it still is one to the same path, in the set of
 * its row.
 */
export async function isStillLinked(
  db: Catalog,
  { set_id: setId, path, link_target: of }: Pick<FileRow, 'set_id' | 'path' | 'link_target'>,
): Promise<boolean> {
  if (of === null) return false;
  const row = await holdingOf(db, setId, path);
  const first = await holdingOf(db, setId, of);
  return row !== undefined && row.dev === first?.dev && row.ino === first.ino;
}
