import { fromBytes } from '../../entry/byte-string.js';
import { parentNames, strippedName } from '../../entry/member-name.js';
import { isEverything, parentFolders, selectionFilter, type Selection } from '../../entry/selection.js';
import { layerOf } from './entry-rows.js';
import { filePageSize } from './files.js';
import {
  filesInRange,
  type MemberRow,
  membersInRange,
  type NameRange,
  type WithinArchive,
} from './files-in-range.js';
import { onList } from './listed-names.js';
import type { FileRow } from '../rows.js';
import type { Catalog } from '../open-catalog.js';
import { afterFolder } from './folder-range.js';

/**
 * Rows of a set that match a selection, in archive order and in pages. With names only, it reads just their primary key
 * ranges; with globs or a list it reads every row.
 */
export function selectedFiles(db: Catalog, setId: string, selection: Selection): AsyncGenerator<FileRow[]> {
  return selectedRows(db, selection, (range) => filesInRange(db, setId, range, {}));
}

/** The same of what an archive holds, as far as a restore needs it. */
export function selectedMembers(
  db: Catalog,
  setId: string,
  selection: Selection,
  within: WithinArchive,
): AsyncGenerator<MemberRow[]> {
  return selectedRows(db, selection, (range) => membersInRange(db, setId, range, within));
}

/**
 * What an archive holds of another set under names that are not in its range: hard links that are newer. Reads every
 * row of the set that the selection does not rule out.
 */
export function selectedOutside(
  db: Catalog,
  setId: string,
  selection: Selection,
  within: WithinArchive,
): AsyncGenerator<FileRow[]> {
  return selectedRows(db, selection, (range) => filesInRange(db, setId, range, { outside: within }));
}

/** As `selectedFiles`, but only files that are hard links to a file of an earlier archive. */
export function selectedHardLinks(
  db: Catalog,
  setId: string,
  selection: Selection,
): AsyncGenerator<FileRow[]> {
  return selectedRows(db, selection, (range) => filesInRange(db, setId, range, { hardLinks: true }));
}

async function* selectedRows<Row extends Pick<FileRow, 'path'>>(
  db: Catalog,
  selection: Selection,
  rowsIn: (range: NameRange) => AsyncGenerator<Row[]>,
): AsyncGenerator<Row[]> {
  const wanted = wantedRows<Row>(db, selection);
  for (const range of rangesOf(selection)) {
    for await (const page of rowsIn(range)) {
      const selected = await wanted(page);
      if (selected.length > 0) yield selected;
    }
  }
}

/** Takes the wanted ones of some rows. */
function wantedRows<Row extends Pick<FileRow, 'path'>>(
  db: Catalog,
  selection: Selection,
): (rows: Row[]) => Promise<Row[]> {
  // No name is made for nothing.
  if (isEverything(selection)) return (rows) => Promise.resolve(rows);
  const wanted = selectionFilter(selection);
  const { list, strip = 0 } = selection;
  if (list === undefined)
    return (rows) => Promise.resolve(rows.filter(({ path }) => wanted(fromBytes(path))));
  return async (rows) => {
    const names = rows.map(({ path }) => fromBytes(path));
    const listed = await onList(db, list, names);
    return rows.filter((_, at) => {
      const name = names[at] ?? '';
      return wanted(name) || (listed(name) && strippedName(name, strip) !== undefined);
    });
  };
}

function rangesOf({ names, globs, list }: Selection): NameRange[] {
  if (globs.length > 0 || list !== undefined || names.length === 0) return [{}];
  const ranges: NameRange[] = [];
  for (const name of outermostNames(names)) {
    // The file of that name, then the folder and its contents: siblings such as `a-b` can sort between `a` and `a/`.
    ranges.push({ from: name, before: `${name}\0` });
    ranges.push({ from: `${name}/`, before: afterFolder(name) });
  }
  return ranges.sort((a, b) => ((a.from ?? '') < (b.from ?? '') ? -1 : 1));
}

/** Names that are not below another name in the list. */
function outermostNames(names: readonly string[]): string[] {
  const all = new Set(names);
  return [...all].filter((name) => ![...parentNames(name)].some((above) => all.has(above)));
}

/**
 * Folders of a selection and the folders above its names, children before parents, in pages. With globs or a list, all
 * folders, since any may contain a match.
 */
export async function* selectedFolders(
  db: Catalog,
  setId: string,
  selection: Selection,
): AsyncGenerator<FileRow[]> {
  const wanted = selectionFilter(selection);
  const above = new Set(parentFolders(selection));
  const { globs, list, strip = 0 } = selection;
  const mayHoldAny = globs.length > 0 || list !== undefined;
  let before: Uint8Array | undefined;
  for (;;) {
    let query = db
      .selectFrom('layer_files')
      .selectAll()
      // Each set has its own.
      .where('layer', '=', layerOf(setId))
      .where('type', '=', 'directory')
      // One that could not be listed is `skipped`, too.
      .where('state', 'in', ['packed', 'skipped'])
      .where('tar_offset', 'is not', null)
      .orderBy('path', 'desc')
      .limit(filePageSize);
    if (before !== undefined) query = query.where('path', '<', before);
    const page = await query.execute();
    const last = page.at(-1);
    if (last === undefined) return;
    yield page.flatMap(({ layer: _, state, ...row }) => {
      const name = fromBytes(row.path);
      const isWanted =
        strippedName(name, strip) !== undefined && (mayHoldAny || wanted(name) || above.has(name));
      return isWanted && state !== 'gone' ? [{ ...row, state, set_id: setId }] : [];
    });
    if (page.length < filePageSize) return;
    before = last.path;
  }
}
