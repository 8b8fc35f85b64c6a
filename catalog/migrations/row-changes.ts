import { type Kysely, sql } from 'kysely';
import { isInPostgres } from '../dialect.js';
import { nameChunks } from '../files/file-names.js';
import { entryTypes, fileStates } from '../schema/entry-codes.js';
import { filesView } from '../schema/file-views.js';
import { bytes as blob, integer } from './column-types.js';

/** Paths read at once when base names are packed together. */
const pathsPerStep = 4000;

/** The place of a word in a list. */
const codes = (column: string, list: readonly string[]) =>
  `case ${column} ${list.map((word, code) => `when '${word}' then ${code}`).join(' ')} end`;

/**
 * Rows of half the size: sets by number, words as numbers, SHA-256 as bytes, the ctime only where it differs from the
 * mtime. `files` becomes a view of them. Base names, which were an index with every path in it, become lists of some
 * thousand.
 */
export async function smallRows(db: Kysely<unknown>): Promise<void> {
  const isPostgres = isInPostgres(db);
  await createTables(db, isPostgres);
  const number = (column: string) => sql.raw(isPostgres ? signedInPostgres(column) : signed(column));
  const hash = sql.raw(isPostgres ? `decode(sha256, 'hex')` : 'unhex(sha256)');
  await sql`
    insert into layers (no, set_id)
    select row_number() over (order by set_id), set_id from (
      select id as set_id from sets where exists (select 1 from files where files.set_id = sets.id)
      union select held_set from files where held_set is not null) as known`.execute(db);
  await sql`
    insert into entries
    select own.no, path, ${sql.raw(codes('type', entryTypes))}, ${sql.raw(codes('state', fileStates))},
      group_no, size, mtime_s, mtime_ns,
      case when ctime_s = mtime_s and ctime_ns = mtime_ns then null else ctime_s end,
      case when ctime_s = mtime_s and ctime_ns = mtime_ns then null else ctime_ns end,
      mode, uid, gid, ${number('dev')}, ${number('ino')}, nlink, ${hash}, tar_offset, reason, link_target,
      hard_link_of, holder.no, held_group, stored_size, attributes
    from layers as own
    join files on files.set_id = own.set_id
    left join layers as holder on holder.set_id = files.held_set
    order by own.no, path`.execute(db);
  await packNames(db);
  await sql`drop table file_names`.execute(db);
  await sql`drop table files`.execute(db);
  await sql`create index entries_by_inode on entries (dev, ino) where nlink > 1`.execute(db);
  await sql`create index entries_with_reason on entries (layer, group_no) where reason is not null`.execute(
    db,
  );
  await sql.raw(filesView(isPostgres)).execute(db);
}

async function createTables({ schema }: Kysely<unknown>, isPostgres: boolean): Promise<void> {
  const bytes = isPostgres ? 'bytea' : blob;
  const text = isPostgres ? sql`text collate "C"` : 'text';
  await schema
    .createTable('layers')
    .addColumn('no', integer, (c) => c.primaryKey())
    .addColumn('set_id', text, (c) => c.notNull().unique())
    .execute();
  await schema
    .createTable('entries')
    .addColumn('layer', integer, (c) => c.notNull().references('layers.no'))
    .addColumn('path', bytes, (c) => c.notNull())
    .addColumn('type', integer, (c) => c.notNull())
    .addColumn('state', integer, (c) => c.notNull())
    .addColumn('group_no', integer, (c) => c.notNull())
    .addColumn('size', integer, (c) => c.notNull())
    .addColumn('mtime_s', integer, (c) => c.notNull())
    .addColumn('mtime_ns', integer, (c) => c.notNull())
    .addColumn('ctime_s', integer)
    .addColumn('ctime_ns', integer)
    .addColumn('mode', integer, (c) => c.notNull())
    .addColumn('uid', integer, (c) => c.notNull())
    .addColumn('gid', integer, (c) => c.notNull())
    .addColumn('dev', integer, (c) => c.notNull())
    .addColumn('ino', integer, (c) => c.notNull())
    .addColumn('nlink', integer, (c) => c.notNull())
    .addColumn('sha256', bytes)
    .addColumn('tar_offset', integer)
    .addColumn('reason', text)
    .addColumn('link_target', bytes)
    .addColumn('hard_link_of', bytes)
    .addColumn('held_layer', integer)
    .addColumn('held_group', integer)
    .addColumn('stored_size', integer)
    .addColumn('attributes', text)
    .addPrimaryKeyConstraint('entries_pk', ['layer', 'path'])
    // The table is its own index: rows lie in the order of the walk, so a group is one contiguous range of it.
    .$call((table) => (isPostgres ? table : table.modifyEnd(sql`without rowid`)))
    .execute();
  await schema
    .createTable('names')
    .addColumn('layer', integer, (c) => c.notNull().references('layers.no'))
    .addColumn('group_no', integer, (c) => c.notNull())
    .addColumn('first', bytes, (c) => c.notNull())
    .addColumn('last', bytes, (c) => c.notNull())
    .addColumn('names', bytes, (c) => c.notNull())
    .addPrimaryKeyConstraint('names_pk', ['layer', 'group_no', 'first'])
    .execute();
}

/** An unsigned number in decimal as a signed one of 64 bits; SQLite would make a rounded one of the large half. */
function signed(column: string): string {
  return (
    `case when length(${column}) < 19 or (length(${column}) = 19 and ${column} <= '9223372036854775807') ` +
    `then cast(${column} as integer) ` +
    // Two parts: the last nine digits, and those before them, less 2 to the 64th.
    `else (cast(substr(${column}, 1, length(${column}) - 9) as integer) - 18446744073) * 1000000000 ` +
    `+ (cast(substr(${column}, -9) as integer) - 709551616) end`
  );
}

function signedInPostgres(column: string): string {
  const number = `cast(${column} as numeric)`;
  return (
    `cast(case when ${number} > 9223372036854775807 then ${number} - 18446744073709551616 ` +
    `else ${number} end as bigint)`
  );
}

async function packNames(db: Kysely<unknown>): Promise<void> {
  const catalog = db as Kysely<{
    entries: { layer: number; group_no: number; path: Uint8Array };
    layers: { no: number; set_id: string };
    groups: { set_id: string; no: number; state: string; first_path: Uint8Array; last_path: Uint8Array };
    names: { layer: number; group_no: number; first: Uint8Array; last: Uint8Array; names: Uint8Array };
  }>;
  for (const { no: layer } of await catalog.selectFrom('layers').select('no').orderBy('no').execute()) {
    let after: Uint8Array | undefined;
    for (;;) {
      let query = catalog.selectFrom('entries').select(['group_no', 'path']).where('layer', '=', layer);
      if (after !== undefined) query = query.where('path', '>', after);
      const rows = await query.orderBy('path').limit(pathsPerStep).execute();
      after = rows.at(-1)?.path;
      if (after === undefined) break;
      for (const chunk of nameChunks(rows.map(({ group_no: group, path }) => ({ group, path }))))
        await catalog
          .insertInto('names')
          .values({ layer, ...chunk })
          .execute();
    }
  }
}
