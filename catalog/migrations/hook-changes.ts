import type { Kysely } from 'kysely';
import { integer } from './column-types.js';

/** The hook of a set, and what was run of it. */
export async function hooks({ schema }: Kysely<unknown>): Promise<void> {
  await schema.alterTable('sets').addColumn('hook', 'text').execute();
  await schema
    .createTable('hook_runs')
    .addColumn('set_id', 'text', (c) => c.notNull())
    .addColumn('round', integer, (c) => c.notNull())
    .addColumn('phase', 'text', (c) => c.notNull())
    .addColumn('name', 'text', (c) => c.notNull())
    .addColumn('token', 'text', (c) => c.notNull())
    .addColumn('state', 'text', (c) => c.notNull())
    .addColumn('begun_at', integer, (c) => c.notNull())
    .addColumn('ended_at', integer)
    .addColumn('reason', 'text')
    .addColumn('pid', integer)
    .addColumn('started', 'text')
    .addColumn('place', 'text')
    .addPrimaryKeyConstraint('hook_runs_pk', ['set_id', 'round', 'phase'])
    .execute();
}
