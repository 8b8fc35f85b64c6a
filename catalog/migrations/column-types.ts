import { sql } from 'kysely';

/** A column type for bytes: `blob` in SQLite; PostgreSQL calls it `bytea`. */
export const bytes = sql`blob`;

/** 64-bit integers in both; SQLite takes any type name that contains INT. */
export const integer = 'bigint' as const;
