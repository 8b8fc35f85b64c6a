import { type Kysely, sql } from 'kysely';
import { isInPostgres } from '../dialect.js';
import { fileViews } from '../schema/file-views.js';
import { bytes as blob, integer } from './column-types.js';

/**
 * Sets lie on those that they were compared with: what is unchanged has no row of its own. The rows that are there
 * stay: each of these sets lies on none.
 */
export async function layers(db: Kysely<unknown>): Promise<void> {
  const isPostgres = isInPostgres(db);
  await db.schema
    .createTable('chains')
    .addColumn('layer', integer, (c) => c.notNull().references('layers.no'))
    .addColumn('part', integer, (c) => c.notNull().references('layers.no'))
    .addColumn('depth', integer, (c) => c.notNull())
    .addPrimaryKeyConstraint('chains_pk', ['layer', 'part'])
    .$call((table) => (isPostgres ? table : table.modifyEnd(sql`without rowid`)))
    .execute();
  await db.schema.createIndex('chains_by_part').on('chains').columns(['part', 'layer']).execute();
  await sql`
    insert into chains (layer, part, depth)
    select no, no, 0 from layers where exists (select 1 from entries where entries.layer = layers.no)`.execute(
    db,
  );
  await sql`drop view files`.execute(db);
  for (const view of fileViews(isPostgres, 'layers')) await sql.raw(view).execute(db);
}

/** Sets that were read from tapes lie on what they build on, whose tapes may be read later. */
export async function rebuiltLayers(db: Kysely<unknown>): Promise<void> {
  const { schema } = db;
  for (const column of ['base_uuid', 'base_tapes'])
    await schema.alterTable('sets').addColumn(column, 'text').execute();
  const flags = { groups: 'on_base', chains: 'gated' };
  for (const [table, column] of Object.entries(flags))
    await schema
      .alterTable(table)
      .addColumn(column, integer, (c) => c.notNull().defaultTo(0))
      .execute();
  for (const view of ['files', 'layer_files']) await sql`drop view ${sql.ref(view)}`.execute(db);
  for (const view of fileViews(isInPostgres(db), 'gates')) await sql.raw(view).execute(db);
}

/** A full set need not repeat the rows of an earlier one, only where its own archives have what they say. */
export async function foldedSets(db: Kysely<unknown>): Promise<void> {
  const { schema } = db;
  const isPostgres = isInPostgres(db);
  await schema.alterTable('chains').addColumn('through', integer).execute();
  const bytes = isPostgres ? 'bytea' : blob;
  await schema
    .createTable('offsets')
    .addColumn('layer', integer, (c) => c.notNull().references('layers.no'))
    .addColumn('first', bytes, (c) => c.notNull())
    .addColumn('places', bytes, (c) => c.notNull())
    .addPrimaryKeyConstraint('offsets_pk', ['layer', 'first'])
    .execute();
  for (const view of ['files', 'layer_files']) await sql`drop view ${sql.ref(view)}`.execute(db);
  for (const view of fileViews(isPostgres)) await sql.raw(view).execute(db);
}
