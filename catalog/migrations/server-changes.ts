import type { Kysely } from 'kysely';
import { integer } from './column-types.js';

/** Schedules, and how often a restore, verify or copy was resumed automatically. */
export async function schedules(db: Kysely<unknown>): Promise<void> {
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

/** Starts that were used, messages that were refused, and which runs of a schedule are due. */
export async function provenMessages(db: Kysely<unknown>): Promise<void> {
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

/** When each schedule was registered, by the server's clock: a schedule made by somebody else has another time. */
export async function toldSchedules({ schema }: Kysely<unknown>): Promise<void> {
  await schema.alterTable('schedules').addColumn('told_at', integer).execute();
}
