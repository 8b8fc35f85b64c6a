import { type Kysely, sql } from 'kysely';
import { integer } from './column-types.js';

/**
 * Sets that build on earlier ones: each has a row for every entry of its tree, also for what an earlier archive holds.
 */
export async function incremental(db: Kysely<unknown>): Promise<void> {
  const { schema } = db;
  await schema.alterTable('sets').addColumn('base_id', 'text').execute();
  await schema
    .alterTable('groups')
    .addColumn('unchanged', integer, (c) => c.notNull().defaultTo(0))
    .execute();
  await schema.alterTable('files').addColumn('held_set', 'text').execute();
  await schema.alterTable('files').addColumn('held_group', integer).execute();
}

/** Index of the groups that hold staging: every compression sums them up, among many others in an old catalog. */
export async function groupsByReserved(db: Kysely<unknown>): Promise<void> {
  await sql`create index groups_by_reserved on groups (reserved) where reserved > 0`.execute(db);
}

/**
 * The requested mode of a set and the schedule run that made it, so that a command or a run finds its own set again.
 */
export async function askedSets(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('sets').addColumn('asked_mode', 'text').execute();
  await db.schema.alterTable('sets').addColumn('made_by', 'text').execute();
}

/** The workflow id of a set. Earlier ids were the same in every installation. */
export async function workflowIds(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('sets').addColumn('workflow_id', 'text').execute();
  await sql`update sets set workflow_id = 'backup-' || id`.execute(db);
}

/**
 * End marks: on which tapes they are, and what a set read from tapes knows of them; and how large a tape must be for
 * what was skipped for its size.
 */
export async function setEnds(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('end_marks')
    .addColumn('set_id', 'text', (c) => c.notNull())
    .addColumn('tape_uuid', 'text', (c) => c.notNull())
    .addColumn('facts', 'text', (c) => c.notNull())
    .addPrimaryKeyConstraint('end_marks_key', ['set_id', 'tape_uuid'])
    .execute();
  await db.schema.alterTable('sets').addColumn('end_facts', 'text').execute();
  await db.schema
    .alterTable('sets')
    .addColumn('end_marked', integer, (c) => c.notNull().defaultTo(0))
    .execute();
  await db.schema.alterTable('groups').addColumn('needs', integer).execute();
}

/**
 * What only events told: on which tapes an archive was ever begun, and how often a set was taken up. A set that was
 * left alone is tried again: the new version may have mended what ended it.
 */
export async function noEventIsAState(db: Kysely<unknown>): Promise<void> {
  const { schema } = db;
  await schema
    .createTable('begun_copies')
    .addColumn('set_id', 'text', (c) => c.notNull())
    .addColumn('group_no', integer, (c) => c.notNull())
    .addColumn('tape_uuid', 'text', (c) => c.notNull())
    .addPrimaryKeyConstraint('begun_copies_key', ['set_id', 'group_no', 'tape_uuid'])
    .modifyEnd(sql`without rowid`)
    .execute();
  // The details of those events: `tape NAME`, `tape NAME, direct`, and `NAME`. No name of a tape has a comma.
  await sql`insert into begun_copies
    select set_id, group_no, tape_uuid from copies
    union
    select e.set_id, e.group_no, t.uuid from events e join tapes t on t.name = case e.stage
      when 'found_on_tape' then e.detail else replace(substr(e.detail, 6), ', direct', '') end
    where e.stage in ('writing', 'found_on_tape') and e.group_no is not null`.execute(db);
  await schema
    .alterTable('sets')
    .addColumn('taken_up', integer, (c) => c.notNull().defaultTo(0))
    .execute();
  await schema.alterTable('sets').addColumn('taken_up_at', integer).execute();
  await schema
    .alterTable('sets')
    .addColumn('left_alone', integer, (c) => c.notNull().defaultTo(0))
    .execute();
}

/** What of its sources a set takes, besides excludes, and what the scan has left out; and lists of paths. */
export async function taken(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('sets').addColumn('taken', 'text').execute();
  await db.schema.alterTable('sets').addColumn('tally', 'text').execute();
  await db.schema
    .createTable('set_lists')
    .addColumn('set_id', 'text', (c) => c.primaryKey())
    .addColumn('paths', 'blob', (c) => c.notNull())
    .execute();
}

/** What a set found in each of its sources, so that the next one notices a source that is suddenly empty. */
export async function holdings(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .alterTable('sets')
    .addColumn('allow_shrunk', integer, (c) => c.notNull().defaultTo(0))
    .execute();
  await db.schema.alterTable('sets').addColumn('holdings', 'text').execute();
}
