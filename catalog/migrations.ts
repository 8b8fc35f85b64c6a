import { sql, type Kysely, type Migration } from 'kysely';
import { executeMany } from './connection.js';
import { nameStart } from './files/file-names.js';

/** A column type for bytes: `blob` in SQLite; PostgreSQL calls it `bytea`. */
const bytes = sql`blob`;
/** 64-bit integers in both; SQLite takes any type name that contains INT. */
const integer = 'bigint' as const;

async function first(db: Kysely<unknown>): Promise<void> {
  const schema = db.schema;
  await schema
    .createTable('meta')
    .addColumn('key', 'text', (c) => c.primaryKey())
    .addColumn('value', 'text', (c) => c.notNull())
    .execute();
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
  await schema
    .createTable('seen_sets')
    .addColumn('set_id', 'text', (c) => c.primaryKey())
    .execute();
}

/** Every tape check asks for the newest committed archive: one index step, however many archives the tape holds. */
async function copiesByCommit(db: Kysely<unknown>): Promise<void> {
  await db.schema.dropIndex('copies_by_tape').execute();
  await db.schema
    .createIndex('copies_by_commit')
    .on('copies')
    .columns(['tape_uuid', 'state', 'committed_at'])
    .execute();
}

/** Rows per step when base names are added to an existing catalog. */
const namesPerStep = 5000;

/**
 * Adds an index of base names. It begins with the group: a scan adds names in folder order and so touches only the
 * pages of the open group, not of the whole set; a search asks every group, at a few microseconds each.
 */
async function filesByName(db: Kysely<unknown>): Promise<void> {
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

/** For reading back: the index of each archive, what a verify found, and the retrievals themselves. */
async function retrievals(db: Kysely<unknown>): Promise<void> {
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

/**
 * Sets that build on earlier ones: each has a row for every entry of its tree, also for what an earlier archive holds.
 */
async function incremental(db: Kysely<unknown>): Promise<void> {
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
async function groupsByReserved(db: Kysely<unknown>): Promise<void> {
  await sql`create index groups_by_reserved on groups (reserved) where reserved > 0`.execute(db);
}

/**
 * Base names get a table of their own, filled in order when a group is closed. As an index with random inserts for
 * every row they caused two thirds of a scan's writes.
 */
async function fileNames(db: Kysely<unknown>): Promise<void> {
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

/** Sets expire and tapes are erased: what an interrupted erase needs to continue, and what it did to sets. */
async function pools(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('sets').addColumn('erased_at', integer).execute();
  await db.schema.alterTable('tapes').addColumn('erased_to', 'text').execute();
}

/** Several copies of a set, and copies of archives that are made from tape to tape. */
async function copies(db: Kysely<unknown>): Promise<void> {
  const { schema } = db;
  await schema.alterTable('sets').addColumn('places', 'text').execute();
  await schema.alterTable('retrievals').addColumn('to_drive', 'text').execute();
  await schema.alterTable('retrieval_archives').addColumn('to_copy', integer).execute();
  await schema.alterTable('retrieval_archives').addColumn('to_pool', 'text').execute();
  await schema
    .alterTable('retrieval_archives')
    .addColumn('reserved', integer, (c) => c.notNull().defaultTo(0))
    .execute();
  await sql`create index retrieval_archives_by_reserved on retrieval_archives (reserved) where reserved > 0`.execute(
    db,
  );
}

/**
 * Finds the names of one inode. An index that begins with the set is never used: SQLite prefers the table's own key and
 * reads the whole set for each hard link.
 */
async function filesByInode(db: Kysely<unknown>): Promise<void> {
  await db.schema.dropIndex('files_hard_links').execute();
  await sql`create index files_by_inode on files (dev, ino) where nlink > 1`.execute(db);
}

/** Whether anything that a restore brings back may have existed at its target. */
async function freshRestores(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .alterTable('retrievals')
    .addColumn('fresh', integer, (c) => c.notNull().defaultTo(0))
    .execute();
}

/** Schedules, and how often a restore, verify or copy was resumed automatically. */
async function schedules(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('schedules')
    .addColumn('name', 'text', (c) => c.primaryKey())
    .addColumn('cron', 'text', (c) => c.notNull())
    .addColumn('zone', 'text', (c) => c.notNull())
    .addColumn('command', 'text', (c) => c.notNull())
    .addColumn('arguments', 'text', (c) => c.notNull())
    .addColumn('paused', integer, (c) => c.notNull().defaultTo(0))
    .addColumn('created_at', integer, (c) => c.notNull())
    .addColumn('run_at', integer)
    .addColumn('run_set', 'text')
    .addColumn('run_ended_at', integer)
    .addColumn('run_reason', 'text')
    .execute();
  await db.schema
    .alterTable('retrievals')
    .addColumn('taken_up', integer, (c) => c.notNull().defaultTo(0))
    .execute();
  await db.schema.alterTable('retrievals').addColumn('taken_up_at', integer).execute();
}

/**
 * The requested mode of a set and the schedule run that made it, so that a command or a run finds its own set again.
 */
async function askedSets(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('sets').addColumn('asked_mode', 'text').execute();
  await db.schema.alterTable('sets').addColumn('made_by', 'text').execute();
}

/**
 * Damage belongs to members, not to copies: what cannot be read from one copy of an archive is read from the next. A
 * copy may have its own manifest, or none.
 */
async function damagedMembers(db: Kysely<unknown>): Promise<void> {
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

/** A tape's state before it was lost or its erasing began, to which it returns. */
async function tapeStates(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('tapes').addColumn('before', 'text').execute();
}

/** The workflow id of a set. Earlier ids were the same in every installation. */
async function workflowIds(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('sets').addColumn('workflow_id', 'text').execute();
  await sql`update sets set workflow_id = 'backup-' || id`.execute(db);
}

/** Cartridges that LTFS has made read-only for good: no command makes them writable again. */
async function readOnlyTapes(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .alterTable('tapes')
    .addColumn('read_only', integer, (c) => c.notNull().defaultTo(0))
    .execute();
}

/**
 * What existed in the target before a restore, and stays as it is. Restores begun before this migration continue as
 * they began.
 */
async function existingEntries(db: Kysely<unknown>): Promise<void> {
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

/**
 * End marks: on which tapes they are, and what a set read from tapes knows of them; and how large a tape must be for
 * what was skipped for its size.
 */
async function setEnds(db: Kysely<unknown>): Promise<void> {
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

/** Starts that were used, messages that were refused, and which runs of a schedule are due. */
async function provenMessages(db: Kysely<unknown>): Promise<void> {
  const { schema } = db;
  await schema
    .createTable('claimed_starts')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('at', integer, (c) => c.notNull())
    .addColumn('workflow_id', 'text', (c) => c.notNull())
    .addColumn('run_id', 'text', (c) => c.notNull())
    .execute();
  await schema.createIndex('claimed_starts_at').on('claimed_starts').column('at').execute();
  await schema
    .createTable('refusals')
    .addColumn('kind', 'text', (c) => c.primaryKey())
    .addColumn('times', integer, (c) => c.notNull())
    .addColumn('first_at', integer, (c) => c.notNull())
    .addColumn('last_at', integer, (c) => c.notNull())
    .addColumn('what', 'text', (c) => c.notNull())
    .addColumn('workflow_id', 'text', (c) => c.notNull())
    .addColumn('run_id', 'text', (c) => c.notNull())
    .execute();
  await schema.alterTable('schedules').addColumn('due_at', integer).execute();
  await schema.alterTable('schedules').addColumn('run_asked_at', integer).execute();
}

/** A retrieval may read with any drive; what its search for a tape has found in each drive. */
async function anyDrive({ schema }: Kysely<unknown>): Promise<void> {
  await schema
    .alterTable('retrievals')
    .addColumn('any_drive', integer, (c) => c.notNull().defaultTo(0))
    .execute();
  await schema.alterTable('retrievals').addColumn('looks', 'text').execute();
}

/** When each schedule was registered, by the server's clock: a schedule made by somebody else has another time. */
async function toldSchedules({ schema }: Kysely<unknown>): Promise<void> {
  await schema.alterTable('schedules').addColumn('told_at', integer).execute();
}

/**
 * What only events told: on which tapes an archive was ever begun, and how often a set was taken up. A set that was
 * left alone is tried again: the new version may have mended what ended it.
 */
async function noEventIsAState(db: Kysely<unknown>): Promise<void> {
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

/** All migrations by name; they run in name order. A released migration is never changed. */
export const migrations: Record<string, Migration> = {
  '0001_first': { up: first },
  '0002_copies_by_commit': { up: copiesByCommit },
  '0003_files_by_name': { up: filesByName },
  '0004_retrievals': { up: retrievals },
  '0005_incremental': { up: incremental },
  '0006_groups_by_reserved': { up: groupsByReserved },
  '0007_file_names': { up: fileNames },
  '0008_pools': { up: pools },
  '0009_copies': { up: copies },
  '0010_files_by_inode': { up: filesByInode },
  '0011_fresh_restores': { up: freshRestores },
  '0012_workflow_ids': { up: workflowIds },
  '0013_schedules': { up: schedules },
  '0014_asked_sets': { up: askedSets },
  '0016_damaged_members': { up: damagedMembers },
  '0017_tape_states': { up: tapeStates },
  '0018_existing_entries': { up: existingEntries },
  '0019_set_ends': { up: setEnds },
  '0023_read_only_tapes': { up: readOnlyTapes },
  '0025_proven_messages': { up: provenMessages },
  '0027_no_event_is_a_state': { up: noEventIsAState },
  '0029_any_drive': { up: anyDrive },
  '0030_told_schedules': { up: toldSchedules },
};
