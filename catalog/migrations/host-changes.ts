import type { Kysely } from 'kysely';
import { integer } from './column-types.js';

/** Hosts, and the drives that they have; and of which host the sources of a set are. */
export async function hosts({ schema }: Kysely<unknown>): Promise<void> {
  await schema
    .createTable('hosts')
    .addColumn('name', 'text', (c) => c.primaryKey())
    .addColumn('id', 'text', (c) => c.notNull())
    .addColumn('home', integer, (c) => c.notNull())
    .addColumn('machine', 'text', (c) => c.notNull())
    .addColumn('data_dir', 'text', (c) => c.notNull())
    .addColumn('version', 'text', (c) => c.notNull())
    .addColumn('embedded', integer, (c) => c.notNull())
    .addColumn('heard_at', integer, (c) => c.notNull())
    .addColumn('archive_at', integer)
    .addColumn('clock_ahead', integer, (c) => c.notNull().defaultTo(0))
    .execute();
  await schema
    .createTable('host_drives')
    .addColumn('name', 'text', (c) => c.primaryKey())
    .addColumn('host', 'text', (c) => c.notNull())
    .addColumn('path', 'text', (c) => c.notNull())
    .addColumn('kind', 'text', (c) => c.notNull())
    .addColumn('heard_at', integer)
    .addColumn('last_at', integer, (c) => c.notNull())
    .execute();
  await schema.alterTable('sets').addColumn('host', 'text').execute();
}
