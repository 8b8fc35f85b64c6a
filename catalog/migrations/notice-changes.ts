import { type Kysely, sql } from 'kysely';
import { integer } from './column-types.js';

/** Messages to people, what they were told of, and two things that they are told of. */
export async function notices(db: Kysely<unknown>): Promise<void> {
  const { schema } = db;
  await schema
    .createTable('outbox')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('channel', 'text', (c) => c.notNull())
    .addColumn('event', 'text', (c) => c.notNull())
    .addColumn('message', 'text', (c) => c.notNull())
    .addColumn('state', 'text', (c) => c.notNull())
    .addColumn('created_at', integer, (c) => c.notNull())
    .addColumn('attempts', integer, (c) => c.notNull().defaultTo(0))
    .addColumn('next_at', integer, (c) => c.notNull())
    .addColumn('claimed_until', integer, (c) => c.notNull().defaultTo(0))
    .addColumn('ended_at', integer)
    .addColumn('error', 'text')
    .execute();
  await sql`create index outbox_waiting on outbox (channel, created_at) where state = 'waiting'`.execute(db);
  await schema
    .createTable('told')
    .addColumn('channel', 'text', (c) => c.notNull())
    .addColumn('key', 'text', (c) => c.notNull())
    .addColumn('mark', 'text', (c) => c.notNull())
    .addColumn('at', integer, (c) => c.notNull())
    .addPrimaryKeyConstraint('told_pk', ['channel', 'key'])
    .execute();
  // A time before it is not one that a schedule has missed.
  await schema.alterTable('schedules').addColumn('resumed_at', integer).execute();
  await sql`create index copies_damaged on copies (tape_uuid) where damage is not null`.execute(db);
}
