import type { Kysely } from 'kysely';

/**
 * Whom a set is encrypted to, what each of its archives begins with, which opens it with an identity, and where a
 * restore finds identities. No identity is in the catalog.
 */
export async function encryption(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('sets').addColumn('recipients', 'text').execute();
  await db.schema.alterTable('archives').addColumn('age_header', 'text').execute();
  await db.schema.alterTable('retrievals').addColumn('identity_file', 'text').execute();
}
