import { type Kysely, type SchemaModule, sql } from 'kysely';
import { bytes, integer } from './column-types.js';

/** The tables of the first version. */
export async function first({ schema }: Kysely<unknown>): Promise<void> {
  await schema
    .createTable('meta')
    .addColumn('key', 'text', (c) => c.primaryKey())
    .addColumn('value', 'text', (c) => c.notNull())
    .execute();
  await setsAndGroups(schema);
  await archives(schema);
  await tapesAndCopies(schema);
  await files(schema);
  await events(schema);
  await schema
    .createTable('seen_sets')
    .addColumn('set_id', 'text', (c) => c.primaryKey())
    .execute();
}

async function setsAndGroups(schema: SchemaModule): Promise<void> {
  await schema
    .createTable('sets')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('uuid', 'text', (c) => c.notNull().unique())
    .addColumn('state', 'text', (c) => c.notNull())
    .addColumn('sources', 'text', (c) => c.notNull())
    .addColumn('excludes', 'text', (c) => c.notNull())
    .addColumn('pool', 'text', (c) => c.notNull())
    .addColumn('drive', 'text', (c) => c.notNull())
    .addColumn('mode', 'text', (c) => c.notNull())
    .addColumn('direct', integer, (c) => c.notNull())
    .addColumn('options', 'text', (c) => c.notNull())
    .addColumn('scanned', integer, (c) => c.notNull().defaultTo(0))
    .addColumn('left_out', 'text', (c) => c.notNull().defaultTo('[]'))
    .addColumn('reason', 'text')
    .addColumn('created_at', integer, (c) => c.notNull())
    .addColumn('finished_at', integer)
    .execute();
  await schema
    .createTable('groups')
    .addColumn('set_id', 'text', (c) => c.notNull().references('sets.id'))
    .addColumn('no', integer, (c) => c.notNull())
    .addColumn('state', 'text', (c) => c.notNull())
    .addColumn('bytes', integer, (c) => c.notNull())
    .addColumn('entries', integer, (c) => c.notNull())
    .addColumn('first_path', bytes, (c) => c.notNull())
    .addColumn('last_path', bytes, (c) => c.notNull())
    .addColumn('direct', integer, (c) => c.notNull().defaultTo(0))
    .addColumn('token', 'text')
    .addColumn('reserved', integer, (c) => c.notNull().defaultTo(0))
    .addColumn('reason', 'text')
    .addPrimaryKeyConstraint('groups_pk', ['set_id', 'no'])
    .execute();
  await schema.createIndex('groups_by_state').on('groups').columns(['set_id', 'state', 'no']).execute();
}

async function archives(schema: SchemaModule): Promise<void> {
  await schema
    .createTable('archives')
    .addColumn('set_id', 'text', (c) => c.notNull())
    .addColumn('group_no', integer, (c) => c.notNull())
    .addColumn('name', 'text', (c) => c.notNull().unique())
    .addColumn('size', integer, (c) => c.notNull())
    .addColumn('sha256', 'text', (c) => c.notNull())
    .addColumn('manifest_name', 'text', (c) => c.notNull())
    .addColumn('manifest_size', integer, (c) => c.notNull())
    .addColumn('manifest_sha256', 'text', (c) => c.notNull())
    .addColumn('token', 'text', (c) => c.notNull())
    .addColumn('bytes_in', integer, (c) => c.notNull())
    .addColumn('members', integer, (c) => c.notNull())
    .addColumn('created_at', integer, (c) => c.notNull())
    .addPrimaryKeyConstraint('archives_pk', ['set_id', 'group_no'])
    .addForeignKeyConstraint('archives_group', ['set_id', 'group_no'], 'groups', ['set_id', 'no'])
    .execute();
}

async function tapesAndCopies(schema: SchemaModule): Promise<void> {
  await schema
    .createTable('tapes')
    .addColumn('uuid', 'text', (c) => c.primaryKey())
    .addColumn('name', 'text', (c) => c.notNull().unique())
    .addColumn('pool', 'text', (c) => c.notNull())
    .addColumn('volume', 'text')
    .addColumn('state', 'text', (c) => c.notNull())
    .addColumn('reason', 'text')
    .addColumn('capacity', integer, (c) => c.notNull())
    .addColumn('free', integer, (c) => c.notNull())
    .addColumn('labelled_at', integer, (c) => c.notNull())
    .addColumn('seen_at', integer, (c) => c.notNull())
    .execute();
  await schema
    .createTable('copies')
    .addColumn('set_id', 'text', (c) => c.notNull())
    .addColumn('group_no', integer, (c) => c.notNull())
    .addColumn('copy_no', integer, (c) => c.notNull())
    .addColumn('tape_uuid', 'text', (c) => c.notNull().references('tapes.uuid'))
    .addColumn('state', 'text', (c) => c.notNull())
    .addColumn('token', 'text', (c) => c.notNull())
    .addColumn('written_at', integer)
    .addColumn('committed_at', integer)
    .addPrimaryKeyConstraint('copies_pk', ['set_id', 'group_no', 'copy_no'])
    .addForeignKeyConstraint('copies_group', ['set_id', 'group_no'], 'groups', ['set_id', 'no'])
    .execute();
  await schema.createIndex('copies_by_tape').on('copies').columns(['tape_uuid', 'state']).execute();
}

async function files(schema: SchemaModule): Promise<void> {
  await schema
    .createTable('files')
    .addColumn('set_id', 'text', (c) => c.notNull().references('sets.id'))
    .addColumn('path', bytes, (c) => c.notNull())
    .addColumn('group_no', integer, (c) => c.notNull())
    .addColumn('type', 'text', (c) => c.notNull())
    .addColumn('size', integer, (c) => c.notNull())
    .addColumn('mtime_s', integer, (c) => c.notNull())
    .addColumn('mtime_ns', integer, (c) => c.notNull())
    .addColumn('ctime_s', integer, (c) => c.notNull())
    .addColumn('ctime_ns', integer, (c) => c.notNull())
    .addColumn('mode', integer, (c) => c.notNull())
    .addColumn('uid', integer, (c) => c.notNull())
    .addColumn('gid', integer, (c) => c.notNull())
    .addColumn('dev', 'text', (c) => c.notNull())
    .addColumn('ino', 'text', (c) => c.notNull())
    .addColumn('nlink', integer, (c) => c.notNull())
    .addColumn('link_target', bytes)
    .addColumn('hard_link_of', bytes)
    .addColumn('state', 'text', (c) => c.notNull())
    .addColumn('reason', 'text')
    .addColumn('sha256', 'text')
    .addColumn('tar_offset', integer)
    .addPrimaryKeyConstraint('files_pk', ['set_id', 'path'])
    // The table is its own index: rows lie in the order of the walk, so a group is one contiguous range of it.
    .modifyEnd(sql`without rowid`)
    .execute();
  await schema
    .createIndex('files_hard_links')
    .on('files')
    .columns(['set_id', 'dev', 'ino'])
    .where(sql.ref('nlink'), '>', 1)
    .execute();
  await schema
    .createIndex('files_skipped')
    .on('files')
    .columns(['set_id', 'group_no'])
    .where(sql.ref('reason'), 'is not', null)
    .execute();
}

async function events(schema: SchemaModule): Promise<void> {
  await schema
    .createTable('events')
    .addColumn('id', 'integer', (c) => c.primaryKey().autoIncrement())
    .addColumn('set_id', 'text', (c) => c.notNull().references('sets.id'))
    .addColumn('group_no', integer)
    .addColumn('stage', 'text', (c) => c.notNull())
    .addColumn('at', integer, (c) => c.notNull())
    .addColumn('ms', integer)
    .addColumn('bytes', integer)
    .addColumn('detail', 'text')
    .execute();
  await schema.createIndex('events_by_group').on('events').columns(['set_id', 'group_no', 'id']).execute();
}
