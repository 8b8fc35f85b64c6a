import { type Kysely, sql } from 'kysely';
import { integer } from './column-types.js';

/** Every tape check asks for the newest committed archive: one index step, however many archives the tape holds. */
export async function copiesByCommit(db: Kysely<unknown>): Promise<void> {
  await db.schema.dropIndex('copies_by_tape').execute();
  await db.schema
    .createIndex('copies_by_commit')
    .on('copies')
    .columns(['tape_uuid', 'state', 'committed_at'])
    .execute();
}

/** Sets expire and tapes are erased: what an interrupted erase needs to continue, and what it did to sets. */
export async function pools(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('sets').addColumn('erased_at', integer).execute();
  await db.schema.alterTable('tapes').addColumn('erased_to', 'text').execute();
}

/** Several copies of a set, and copies of archives that are made from tape to tape. */
export async function copies(db: Kysely<unknown>): Promise<void> {
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

/** A tape's state before it was lost or its erasing began, to which it returns. */
export async function tapeStates(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('tapes').addColumn('before', 'text').execute();
}

/** Cartridges that LTFS has made read-only for good: no command makes them writable again. */
export async function readOnlyTapes(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .alterTable('tapes')
    .addColumn('read_only', integer, (c) => c.notNull().defaultTo(0))
    .execute();
}
