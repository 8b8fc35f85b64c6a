import type { SelectQueryBuilder } from 'kysely';
import { toBytes } from '../../entry/byte-string.js';
import type { Catalog } from '../open-catalog.js';
import type { FileRow } from '../rows.js';
import type { Tables } from '../schema/tables.js';
import { layerOf } from './entry-rows.js';
import { filePageSize, holderOf, rowsAt } from './files.js';
import { partsOf } from './layers.js';
import type { PathRange } from './layer-rows.js';
import { treeRows, type TreeRow } from './tree-rows.js';

/** Member names from `from` on and before `before`, as byte strings; undefined: no bound. */
export interface NameRange {
  from?: string | undefined;
  before?: string | undefined;
}

/** An archive with the first and last name in it. */
export interface WithinArchive {
  setId: string;
  group: number;
  first: Uint8Array;
  last: Uint8Array;
}

/** Which rows in a range are wanted. */
export interface RowFilter {
  outside?: WithinArchive;
  hardLinks?: boolean;
}

/** The rows of a set in a range of names that are wanted, in order and in pages. */
export async function* filesInRange(
  db: Catalog,
  setId: string,
  { from: first, before: past }: NameRange,
  { outside, hardLinks = false }: RowFilter,
): AsyncGenerator<FileRow[]> {
  const [from, before] = [first, past].map((name) => (name === undefined ? undefined : toBytes(name)));
  if (outside !== undefined) yield* filesOutside(db, setId, { from, before }, outside);
  else if (hardLinks) yield* hardLinksIn(db, setId, { from, before });
  else yield* treeRows(db, setId, { from, before });
}

/** Columns that a restore needs of what an archive holds; reading whole rows takes a third longer. */
const memberColumns = [
  ...(['size', 'mtime_s', 'mtime_ns', 'mode', 'uid', 'gid', 'link_target', 'sha256'] as const),
  ...(['tar_offset', 'stored_size', 'attributes'] as const),
] as const;

/** What a restore needs of a row. */
export type MemberRow = TreeRow<(typeof memberColumns)[number]>;

/** The rows of a set in a range of names that an archive holds, in order and in pages. */
export async function* membersInRange(
  db: Catalog,
  setId: string,
  { from: first, before: past }: NameRange,
  within: WithinArchive,
): AsyncGenerator<MemberRow[]> {
  const [from, before] = [first, past].map((name) => (name === undefined ? undefined : toBytes(name)));
  const later = from !== undefined && Buffer.compare(from, within.first) > 0 ? from : within.first;
  const range = { from: later, before, upTo: within.last };
  for await (const page of treeRows(db, setId, range, memberColumns)) {
    const held = page.filter((row) => {
      const holder = holderOf(row);
      return holder.setId === within.setId && holder.group === within.group;
    });
    if (held.length > 0) yield held;
  }
}

/** The hard links of a set: each has a row of its own. */
function hardLinksIn(db: Catalog, setId: string, range: PathRange): AsyncGenerator<FileRow[]> {
  return rowsOf(db, setId, range, (entries) =>
    entries.where('layer', '=', layerOf(setId)).where('hard_link_of', 'is not', null),
  );
}

/** What an archive holds of the set under names that are not in its range, by each layer of the set. */
async function* filesOutside(
  db: Catalog,
  setId: string,
  range: PathRange,
  { setId: holder, group, first, last }: WithinArchive,
): AsyncGenerator<FileRow[]> {
  const parts = (await partsOf(db, setId)).map(({ no }) => no);
  for (const [at, no] of parts.entries()) {
    const above = parts.slice(0, at);
    yield* rowsOf(db, setId, range, (entries) =>
      entries
        .where('layer', '=', no)
        .where('held_layer', '=', layerOf(holder))
        .where('held_group', '=', group)
        .where((eb) => eb.or([eb('path', '<', first), eb('path', '>', last)]))
        // Only the uppermost row of a path counts.
        .$if(above.length > 0, (rows) =>
          rows.where(({ not, exists, selectFrom, lit }) =>
            not(
              exists(
                selectFrom('entries as higher')
                  .select(lit(1).as('one'))
                  .where('higher.layer', 'in', above)
                  .whereRef('higher.path', '=', 'entries.path'),
              ),
            ),
          ),
        ),
    );
  }
}

/** The rows of a set for the entries in a range that a query narrows down to, in order and in pages. */
async function* rowsOf(
  db: Catalog,
  setId: string,
  range: PathRange,
  wanted: (entries: EntriesQuery) => EntriesQuery,
): AsyncGenerator<FileRow[]> {
  for (let after: Uint8Array | undefined; ;) {
    const entries = inRange(db.selectFrom('entries').select('path'), { ...range, after });
    const rows = await wanted(entries).orderBy('path').limit(filePageSize).execute();
    after = rows.at(-1)?.path;
    if (after === undefined) return;
    yield await rowsAt(
      db,
      setId,
      rows.map(({ path }) => path),
    );
  }
}

type EntriesQuery = SelectQueryBuilder<Tables, 'entries', { path: Uint8Array }>;

function inRange(query: EntriesQuery, { from, after, before }: PathRange): EntriesQuery {
  return query
    .$if(before !== undefined, (some) => some.where('path', '<', before ?? new Uint8Array()))
    .$if(after !== undefined, (some) => some.where('path', '>', after ?? new Uint8Array()))
    .$if(after === undefined && from !== undefined, (some) =>
      some.where('path', '>=', from ?? new Uint8Array()),
    );
}
