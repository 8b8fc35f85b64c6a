import { fromBytes, toBytes } from '../../entry/byte-string.js';
import { nameStart, pastBeginning, type NameQuery } from './file-names.js';
import { filePageSize, rowsAt } from './files.js';
import type { FileRow } from '../rows.js';
import type { Catalog } from '../open-catalog.js';
import { isFolded, partsOf, type TreePart } from './layers.js';
import { treeRows } from './tree-rows.js';
import { namesThat, type NameTest } from './names.js';

/** Lists of names that are looked through at once. */
const listsAtOnce = 50;

/**
 * Rows by base name, in pages ordered by path; of one set, or of all, newest first. Looks through the lists of names,
 * which take a few bytes for each entry, and reads the paths only where one fits.
 */
export async function* filesNamed(
  db: Catalog,
  setId: string | undefined,
  wish: NameQuery,
): AsyncGenerator<FileRow[]> {
  const test = testOf(wish);
  const known = new Map<number, Uint8Array[] | undefined>();
  for (const id of setId === undefined ? await setsNewestFirst(db) : [setId]) {
    for await (const paths of pathsInSet(db, id, test, known))
      for (let at = 0; at < paths.length; at += filePageSize) {
        const rows = await rowsAt(db, id, paths.slice(at, at + filePageSize));
        if (rows.length > 0) yield rows;
      }
  }
}

/** The paths of a set that fit, and more, in their order. */
async function* pathsInSet(
  db: Catalog,
  setId: string,
  test: NameTest,
  known: Map<number, Uint8Array[] | undefined>,
): AsyncGenerator<Uint8Array[]> {
  const parts = await partsOf(db, setId);
  const [own] = parts;
  if (own === undefined) return;
  if (parts.length > 1) {
    yield* inParts(db, parts, test, known);
    return;
  }
  let last: Uint8Array = new Uint8Array();
  for await (const paths of pathsNamed(db, own.no, test)) {
    if (await isFolded(db, own.no)) break;
    last = paths.at(-1) ?? last;
    yield paths;
  }
  // Meanwhile the set ends, and some of its rows have gone.
  if (!(await isFolded(db, own.no))) return;
  for await (const paths of inParts(db, await partsOf(db, setId), test, known))
    yield paths.filter((path) => Buffer.compare(path, last) > 0);
}

/** Paths that a layer is remembered to have, when many sets are looked through that share it. */
const knownAtMost = 1000;

/**
 * The paths of several layers that fit, in their order, each once; the set's own rows say which it has.
 *
 * @param known what was found in a layer before; undefined: more than are remembered.
 */
async function* inParts(
  db: Catalog,
  parts: readonly TreePart[],
  test: NameTest,
  known: Map<number, Uint8Array[] | undefined>,
): AsyncGenerator<Uint8Array[]> {
  const found = new Map<string, Uint8Array>();
  for (const { no } of parts) {
    const before = known.get(no);
    const paths: Uint8Array[] = before ?? [];
    if (before === undefined) for await (const page of pathsNamed(db, no, test)) paths.push(...page);
    known.set(no, paths.length > knownAtMost ? undefined : paths);
    for (const path of paths) found.set(fromBytes(path), path);
  }
  yield [...found.values()].sort((a, b) => Buffer.compare(a, b));
}

/** The paths in a layer whose base names pass a test, by list of names. */
async function* pathsNamed(db: Catalog, layer: number, test: NameTest): AsyncGenerator<Uint8Array[]> {
  let after: { group_no: number; first: Uint8Array } | undefined;
  for (;;) {
    let query = db
      .selectFrom('names')
      .selectAll()
      .where('layer', '=', layer)
      .orderBy('group_no')
      .orderBy('first')
      .limit(listsAtOnce);
    if (after !== undefined) {
      const { group_no: no, first } = after;
      query = query
        .where('group_no', '>=', no)
        .where((eb) => eb.or([eb('group_no', '>', no), eb('first', '>', first)]));
    }
    const lists = await query.execute();
    for (const { group_no: group, first, last, names } of lists) {
      const wanted = namesThat(Buffer.from(names.buffer, names.byteOffset, names.byteLength), test);
      if (wanted.size === 0) continue;
      const rows = await db
        .selectFrom('entries')
        .select('path')
        .where('layer', '=', layer)
        .where('path', '>=', first)
        .where('path', '<=', last)
        .where('group_no', '=', group)
        .orderBy('path')
        .execute();
      yield rows
        .map(({ path }) => path)
        .filter((path) => wanted.has(fromBytes(path.subarray(nameStart(path) - 1))));
    }
    after = lists.at(-1);
    if (after === undefined || lists.length < listsAtOnce) return;
  }
}

/** Rows whose path begins with some bytes, in order and in pages; of one set, or of all when `setId` is undefined. */
export async function* filesBelow(
  db: Catalog,
  setId: string | undefined,
  prefix: string,
): AsyncGenerator<FileRow[]> {
  const from = toBytes(prefix);
  const before = pastBeginning(from);
  for (const id of setId === undefined ? await setsNewestFirst(db) : [setId])
    yield* treeRows(db, id, { from, before });
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
    if (last === undefined) return;
    const name = fromBytes(last.path);
    const isDeeper = known !== '' && name !== folder && name.startsWith(known);
    from = isDeeper ? pastBeginning(toBytes(known)) : Buffer.concat([last.path, Buffer.of(0)]);
  }
}

/** A page of rows starting at one path, up to another if given; empty behind the last one. */
async function rowsFrom(
  db: Catalog,
  setId: string,
  from: Uint8Array,
  before: Uint8Array | undefined,
): Promise<FileRow[]> {
  for await (const page of treeRows(db, setId, { from, before })) return page;
  return [];
}

async function setsNewestFirst(db: Catalog): Promise<string[]> {
  const sets = await db.selectFrom('sets').select('id').orderBy('id', 'desc').execute();
  return sets.map((row) => row.id);
}

function testOf(wish: NameQuery): NameTest {
  if ('exactly' in wish) {
    const { exactly } = wish;
    return { sought: toBytes(exactly), fits: (name) => name === exactly || name === `${exactly}/` };
  }
  if ('holds' in wish) return { sought: toBytes(wish.holds), fits: (name) => name.includes(wish.holds) };
  return { sought: toBytes(wish.begins), fits: (name) => name.startsWith(wish.begins) };
}
