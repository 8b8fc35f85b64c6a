import { type Kysely, sql } from 'kysely';
import { bytes, integer } from './column-types.js';

/** For reading back: the index of each archive, what a verify found, and the retrievals themselves. */
export async function retrievals(db: Kysely<unknown>): Promise<void> {
  const { schema } = db;
  await schema.alterTable('archives').addColumn('block_bytes', integer).execute();
  await schema.alterTable('archives').addColumn('blocks', bytes).execute();
  await schema.alterTable('copies').addColumn('verified_at', integer).execute();
  await schema.alterTable('copies').addColumn('damage', 'text').execute();
  await schema
    .createTable('retrievals')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('kind', 'text', (c) => c.notNull())
    .addColumn('subject', 'text', (c) => c.notNull())
    .addColumn('drive', 'text', (c) => c.notNull())
    .addColumn('target', 'text')
    .addColumn('overwrite', 'text', (c) => c.notNull())
    .addColumn('selection', 'text', (c) => c.notNull())
    .addColumn('state', 'text', (c) => c.notNull())
    .addColumn('reason', 'text')
    .addColumn('created_at', integer, (c) => c.notNull())
    .addColumn('finished_at', integer)
    .execute();
  await schema
    .createTable('retrieval_archives')
    .addColumn('retrieval_id', 'text', (c) => c.notNull().references('retrievals.id'))
    .addColumn('no', integer, (c) => c.notNull())
    .addColumn('set_id', 'text', (c) => c.notNull())
    .addColumn('group_no', integer, (c) => c.notNull())
    .addColumn('copy_no', integer, (c) => c.notNull())
    .addColumn('tape_uuid', 'text', (c) => c.notNull())
    .addColumn('state', 'text', (c) => c.notNull())
    .addColumn('members', integer, (c) => c.notNull())
    .addColumn('bytes', integer, (c) => c.notNull())
    .addColumn('restored', integer, (c) => c.notNull())
    .addColumn('same', integer, (c) => c.notNull())
    .addColumn('kept', integer, (c) => c.notNull())
    .addColumn('failed', integer, (c) => c.notNull())
    .addColumn('ms', integer)
    .addPrimaryKeyConstraint('retrieval_archives_pk', ['retrieval_id', 'no'])
    .execute();
  await schema
    .createTable('retrieval_problems')
    .addColumn('id', 'integer', (c) => c.primaryKey().autoIncrement())
    .addColumn('retrieval_id', 'text', (c) => c.notNull().references('retrievals.id'))
    .addColumn('no', integer)
    .addColumn('path', bytes)
    .addColumn('reason', 'text', (c) => c.notNull())
    .execute();
  await schema
    .createIndex('retrieval_problems_by_archive')
    .on('retrieval_problems')
    .columns(['retrieval_id', 'no'])
    .execute();
}

/** Whether anything that a restore brings back may have existed at its target. */
export async function freshRestores(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .alterTable('retrievals')
    .addColumn('fresh', integer, (c) => c.notNull().defaultTo(0))
    .execute();
}

/**
 * Damage belongs to members, not to copies: what cannot be read from one copy of an archive is read from the next. A
 * copy may have its own manifest, or none.
 */
export async function damagedMembers(db: Kysely<unknown>): Promise<void> {
  const { schema } = db;
  const flag = (name: string, table: string) =>
    schema
      .alterTable(table)
      .addColumn(name, integer, (c) => c.notNull().defaultTo(0))
      .execute();
  await flag('damaged', 'retrieval_problems');
  await flag('only_damaged', 'retrieval_archives');
  await schema
    .alterTable('retrieval_archives')
    .addColumn('tried', 'text', (c) => c.notNull().defaultTo('[]'))
    .execute();
  await schema.alterTable('copies').addColumn('manifest_size', integer).execute();
  await schema.alterTable('copies').addColumn('manifest_sha256', 'text').execute();
}

/**
 * What existed in the target before a restore, and stays as it is. Restores begun before this migration continue as
 * they began.
 */
export async function existingEntries(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('retrievals').addColumn('looked', 'text').execute();
  await sql`update retrievals set looked = ''`.execute(db);
  await db.schema
    .createTable('retrieval_existing')
    .addColumn('retrieval_id', 'text', (c) => c.notNull())
    .addColumn('look', 'text', (c) => c.notNull())
    .addColumn('path', bytes, (c) => c.notNull())
    .addColumn('ino', 'text', (c) => c.notNull())
    .addPrimaryKeyConstraint('retrieval_existing_key', ['retrieval_id', 'look', 'path'])
    .modifyEnd(sql`without rowid`)
    .execute();
}

/** A retrieval may read with any drive; what its search for a tape has found in each drive. */
export async function anyDrive({ schema }: Kysely<unknown>): Promise<void> {
  await schema
    .alterTable('retrievals')
    .addColumn('any_drive', integer, (c) => c.notNull().defaultTo(0))
    .execute();
  await schema.alterTable('retrievals').addColumn('looks', 'text').execute();
}

/** Restores of long lists of names, of damaged files, and into targets where names collide. */
export async function chosenRestores({ schema }: Kysely<unknown>): Promise<void> {
  await schema
    .createTable('name_lists')
    .addColumn('list', 'text', (c) => c.primaryKey())
    .addColumn('created_at', integer, (c) => c.notNull())
    .execute();
  await schema
    .createTable('listed_names')
    .addColumn('list', 'text', (c) => c.notNull())
    .addColumn('path', bytes, (c) => c.notNull())
    .addPrimaryKeyConstraint('listed_names_key', ['list', 'path'])
    .modifyEnd(sql`without rowid`)
    .execute();
  await schema
    .alterTable('retrievals')
    .addColumn('salvage', integer, (c) => c.notNull().defaultTo(0))
    .execute();
  await schema.alterTable('retrievals').addColumn('refused', 'text').execute();
  await schema
    .alterTable('retrieval_problems')
    .addColumn('salvaged', integer, (c) => c.notNull().defaultTo(0))
    .execute();
}

/** Owner, mode and times are set each on their own, and what could not be is counted; whose entries become. */
export async function unsetMetadata({ schema }: Kysely<unknown>): Promise<void> {
  for (const table of ['retrievals', 'retrieval_archives'])
    await schema
      .alterTable(table)
      .addColumn('unset', 'text', (c) => c.notNull().defaultTo('{}'))
      .execute();
  await schema.alterTable('retrievals').addColumn('owners', 'text').execute();
}

/** Restores to another host than the drive's. */
export async function restoresToHosts({ schema }: Kysely<unknown>): Promise<void> {
  const add = (column: string) => schema.alterTable('retrievals').addColumn(column, 'text').execute();
  await add('target_host');
  await add('target_asked');
  await schema
    .alterTable('retrievals')
    .addColumn('unchecked', integer, (c) => c.notNull().defaultTo(0))
    .execute();
  await schema.alterTable('retrieval_archives').addColumn('staged', 'text').execute();
}
