import { type Kysely, sql } from 'kysely';
import { nameStart } from '../files/file-names.js';
import { executeMany } from '../execute-many.js';
import { bytes, integer } from './column-types.js';

/** Rows per step when base names are added to an existing catalog. */
const namesPerStep = 5000;

/**
 * Adds an index of base names. It begins with the group: a scan adds names in folder order and so touches only the
 * pages of the open group, not of the whole set; a search asks every group, at a few microseconds each.
 */
export async function filesByName(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .alterTable('files')
    .addColumn('name_at', integer, (c) => c.notNull().defaultTo(1))
    .execute();
  const catalog = db as Kysely<{
    files: { set_id: string; path: Uint8Array; name_at: number };
    sets: { id: string };
  }>;
  for (const { id } of await catalog.selectFrom('sets').select('id').execute()) {
    for (let after = new Uint8Array(); ;) {
      const rows = await catalog
        .selectFrom('files')
        .select('path')
        .where('set_id', '=', id)
        .where('path', '>', after)
        .orderBy('path')
        .limit(namesPerStep)
        .execute();
      const last = rows.at(-1);
      if (last === undefined) break;
      const update = catalog
        .updateTable('files')
        .set({ name_at: 0 })
        .where('set_id', '=', id)
        .where('path', '=', after)
        .compile();
      await executeMany(
        db,
        update,
        rows.map(({ path }) => [nameStart(path), id, path]),
      );
      after = new Uint8Array(last.path);
    }
  }
  await db.schema
    .createIndex('files_by_name')
    .on('files')
    .expression(sql`set_id, group_no, substr(path, name_at)`)
    .execute();
}

/**
 * Base names get a table of their own, filled in order when a group is closed. As an index with random inserts for
 * every row they caused two thirds of a scan's writes.
 */
export async function fileNames(db: Kysely<unknown>): Promise<void> {
  await db.schema.dropIndex('files_by_name').execute();
  await db.schema
    .createTable('file_names')
    .addColumn('set_id', 'text', (c) => c.notNull())
    .addColumn('group_no', integer, (c) => c.notNull())
    .addColumn('name', bytes, (c) => c.notNull())
    .addColumn('path', bytes, (c) => c.notNull())
    .addPrimaryKeyConstraint('file_names_pk', ['set_id', 'group_no', 'name', 'path'])
    .modifyEnd(sql`without rowid`)
    .execute();
  await sql`
    insert into file_names
    select files.set_id, files.group_no, substr(files.path, files.name_at), files.path
    from files join groups on groups.set_id = files.set_id and groups.no = files.group_no
    where groups.state != 'open'
    order by 1, 2, 3, 4`.execute(db);
}

/** Files with holes: nearly all rows have none, and a null at a row's end takes no room. */
export async function storedSizes(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('files').addColumn('stored_size', integer).execute();
}

/** Extended attributes and ACLs: the same. */
export async function fileAttributes(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('files').addColumn('attributes', 'text').execute();
}

/**
 * Finds the names of one inode. An index that begins with the set is never used: SQLite prefers the table's own key and
 * reads the whole set for each hard link.
 */
export async function filesByInode(db: Kysely<unknown>): Promise<void> {
  await db.schema.dropIndex('files_hard_links').execute();
  await sql`create index files_by_inode on files (dev, ino) where nlink > 1`.execute(db);
}
