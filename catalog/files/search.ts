import { sql, type RawBuilder, type Selectable } from 'kysely';
import { fromBytes, toBytes } from '../../entry/byte-string.js';
import { pastBeginning, type NameQuery } from './file-names.js';
import { filePageSize } from './files.js';
import type { FileRow } from '../rows.js';
import { contains } from '../dialect.js';
import type { Catalog } from '../open-catalog.js';
import type { GroupsTable } from '../schema/group-tables.js';

/** Entries that one query covers: the paths that it finds are held in memory. */
const entriesPerLook = 200_000;

type Name = RawBuilder<Uint8Array>;
const listedName: Name = sql`file_names.name`;
const unlistedName: Name = sql`substr(files.path, cast(files.name_at as integer))`;

/**
 * Rows by base name, in pages ordered by path; of one set, or of all, newest first. Exact names and prefixes take a few
 * index steps per group; other patterns read the whole table of names. A group that the scan has not closed yet has no
 * names there, so its rows are read.
 */
export async function* filesNamed(
  db: Catalog,
  setId: string | undefined,
  wish: NameQuery,
): AsyncGenerator<FileRow[]> {
  for (const id of setId === undefined ? await setsNewestFirst(db) : [setId]) {
    const groups = await groupsOf(db, id);
    // As it was before the names are read; it may be closed meanwhile.
    const open = groups.find((group) => group.state === 'open');
    const closed = groups.filter((group) => group !== open);
    const named = groupRanges(closed).map((range) => namesQuery(db, id, range, wish));
    const unnamed = open === undefined ? [] : [openGroupQuery(db, id, open, wish)];
    for (const query of [...named, ...unnamed]) {
      const found = (await query.execute()).map((row) => row.path);
      for (let at = 0; at < found.length; at += filePageSize)
        yield await rowsOf(db, id, found.slice(at, at + filePageSize));
    }
  }
}

/** Rows whose path begins with some bytes, in order and in pages; of one set, or of all when `setId` is undefined. */
export async function* filesBelow(
  db: Catalog,
  setId: string | undefined,
  prefix: string,
): AsyncGenerator<FileRow[]> {
  const from = toBytes(prefix);
  const to = pastBeginning(from);
  for (const id of setId === undefined ? await setsNewestFirst(db) : [setId]) {
    for (let after: Uint8Array | undefined; ;) {
      let query = db.selectFrom('files').selectAll().where('set_id', '=', id);
      query = after === undefined ? query.where('path', '>=', from) : query.where('path', '>', after);
      if (to !== undefined) query = query.where('path', '<', to);
      const page = await query.orderBy('path').limit(filePageSize).execute();
      if (page.length > 0) yield page;
      after = page.at(-1)?.path;
      if (page.length < filePageSize) break;
    }
  }
}

/**
 * The folder's own row and one for each direct entry, in order and in pages. A folder above a source, which has no row
 * of its own, is returned by name. Deeper entries are skipped after reading at most one page of them.
 *
 * @param folder the member name with its `/`, or `` for the root.
 */
export async function* childrenOf(
  db: Catalog,
  setId: string,
  folder: string,
): AsyncGenerator<(FileRow | Uint8Array)[]> {
  const to = pastBeginning(toBytes(folder));
  let from: Uint8Array | undefined = toBytes(folder);
  let known = '';
  while (from !== undefined) {
    const page: FileRow[] = await rowsFrom(db, setId, from, to);
    const found: (FileRow | Uint8Array)[] = [];
    for (const row of page) {
      const name = fromBytes(row.path);
      const end = name.indexOf('/', folder.length) + 1;
      if (end === 0 || end === name.length || name === folder) found.push(row);
      else if (name.slice(0, end) !== known) found.push(toBytes(name.slice(0, end)));
      known = end === 0 ? known : name.slice(0, end);
    }
    if (found.length > 0) yield found;
    const last = page.at(-1);
    if (last === undefined || page.length < filePageSize) return;
    const name = fromBytes(last.path);
    const isDeeper = known !== '' && name !== folder && name.startsWith(known);
    from = isDeeper ? pastBeginning(toBytes(known)) : Buffer.concat([last.path, Buffer.of(0)]);
  }
}

/** A page of rows starting at one path, up to another if given. */
function rowsFrom(
  db: Catalog,
  setId: string,
  from: Uint8Array,
  to: Uint8Array | undefined,
): Promise<FileRow[]> {
  let query = db.selectFrom('files').selectAll().where('set_id', '=', setId).where('path', '>=', from);
  if (to !== undefined) query = query.where('path', '<', to);
  return query.orderBy('path').limit(filePageSize).execute();
}

async function setsNewestFirst(db: Catalog): Promise<string[]> {
  const sets = await db.selectFrom('sets').select('id').orderBy('id', 'desc').execute();
  return sets.map((row) => row.id);
}

function conditionOf(db: Catalog, baseName: Name, wish: NameQuery): RawBuilder<boolean> {
  if ('exactly' in wish)
    return sql<boolean>`${baseName} in (${toBytes(wish.exactly)}, ${toBytes(`${wish.exactly}/`)})`;
  if ('holds' in wish) return contains(db, baseName, toBytes(wish.holds));
  const from = toBytes(wish.begins);
  const to = pastBeginning(from);
  return to === undefined
    ? sql<boolean>`${baseName} >= ${from}`
    : sql<boolean>`${baseName} >= ${from} and ${baseName} < ${to}`;
}

type SearchedGroup = Pick<Selectable<GroupsTable>, 'no' | 'entries' | 'state' | 'first_path' | 'last_path'>;

function groupsOf(db: Catalog, setId: string): Promise<SearchedGroup[]> {
  return db
    .selectFrom('groups')
    .select(['no', 'entries', 'state', 'first_path', 'last_path'])
    .where('set_id', '=', setId)
    .orderBy('no')
    .execute();
}

/** First and last numbers of consecutive groups that together hold about `entriesPerLook` entries. */
function groupRanges(groups: SearchedGroup[]): [number, number][] {
  const ranges: [number, number][] = [];
  let entries = Infinity;
  for (const group of groups) {
    const range = ranges.at(-1);
    if (range === undefined || entries + group.entries > entriesPerLook) {
      ranges.push([group.no, group.no]);
      entries = group.entries;
    } else {
      range[1] = group.no;
      entries += group.entries;
    }
  }
  return ranges;
}

/** The paths of entries with matching names, in consecutive closed groups of a set. */
export function namesQuery(db: Catalog, setId: string, [first, last]: [number, number], wish: NameQuery) {
  return (
    db
      .selectFrom('groups')
      // In this join order: each group is a range of the names.
      .crossJoin('file_names')
      .select('file_names.path')
      .where('groups.set_id', '=', setId)
      .where('groups.no', '>=', first)
      .where('groups.no', '<=', last)
      .where('file_names.set_id', '=', setId)
      .whereRef('file_names.group_no', '=', 'groups.no')
      .where(conditionOf(db, listedName, wish))
      .orderBy('file_names.path')
  );
}

function openGroupQuery(db: Catalog, setId: string, group: SearchedGroup, wish: NameQuery) {
  return db
    .selectFrom('files')
    .select('files.path')
    .where('files.set_id', '=', setId)
    .where('files.path', '>=', group.first_path)
    .where('files.path', '<=', group.last_path)
    .where(conditionOf(db, unlistedName, wish))
    .orderBy('files.path');
}

async function rowsOf(db: Catalog, setId: string, paths: Uint8Array[]): Promise<FileRow[]> {
  return db
    .selectFrom('files')
    .selectAll()
    .where('set_id', '=', setId)
    .where('path', 'in', paths)
    .orderBy('path')
    .execute();
}
