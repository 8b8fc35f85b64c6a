import { executeMany } from '../execute-many.js';
import type { Catalog } from '../open-catalog.js';
import { endProblemsNo } from './retrieval-problems.js';
import type { RetrievalRow } from '../rows.js';

/** An entry that existed in a restore's target before. */
export interface ExistingEntry {
  path: Uint8Array;
  ino: string;
}

/**
 * Records entries that a look at the target found. They count only if that look is the first to end (`endLook`), so
 * that a repeated or stale look never counts what the restore itself has created.
 */
export async function noteExisting(
  catalog: Catalog,
  id: string,
  look: string,
  entries: readonly ExistingEntry[],
): Promise<void> {
  if (entries.length === 0) return;
  await catalog.transaction().execute(async (tx) => {
    const insert = tx
      .insertInto('retrieval_existing')
      .values({ retrieval_id: id, look, path: new Uint8Array(), ino: '' })
      .onConflict((conflict) => conflict.doNothing())
      .compile();
    await executeMany(
      tx,
      insert,
      entries.map(({ path, ino }) => [id, look, path, ino]),
    );
  });
}

/** Ends a look at the target; the first one to end counts. Empty `look`: nothing in the target has to be kept. */
export async function endLook(catalog: Catalog, id: string, look: string): Promise<void> {
  await catalog
    .updateTable('retrievals')
    .set({ looked: look })
    .where('id', '=', id)
    .where('looked', 'is', null)
    .execute();
}

/** Forgets what existed before a restore that has ended. */
export async function forgetExisting(catalog: Catalog, id: string): Promise<void> {
  await catalog.deleteFrom('retrieval_existing').where('retrieval_id', '=', id).execute();
}

type Looked = Pick<RetrievalRow, 'id' | 'looked'>;

/** The inode that was at a path before the restore; undefined when there was none. */
export async function existingAt(
  db: Catalog,
  { id, looked }: Looked,
  path: Uint8Array,
): Promise<string | undefined> {
  if (looked === null || looked === '') return undefined;
  const row = await db
    .selectFrom('retrieval_existing')
    .select('ino')
    .where('retrieval_id', '=', id)
    .where('look', '=', looked)
    .where('path', '=', path)
    .executeTakeFirst();
  return row?.ino;
}

/**
 * An earlier restore with the same arguments that ended without finishing its folders: those that it created are still
 * private and count as this restore's own.
 */
export async function unfinishedBefore(db: Catalog, row: RetrievalRow): Promise<Looked | undefined> {
  const before = await db
    .selectFrom('retrievals')
    .select(['id', 'looked', 'state'])
    .where('kind', '=', 'restore')
    .where('subject', '=', row.subject)
    .where('target', 'is not distinct from', row.target)
    .where('selection', '=', row.selection)
    .where('id', '!=', row.id)
    .where('looked', 'is not', null)
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .executeTakeFirst();
  if (before === undefined) return undefined;
  if (before.state === 'failed' || before.state === 'cancelled') return before;
  if (before.state !== 'incomplete') return undefined;
  return (await hasEndProblems(db, before.id)) ? before : undefined;
}

async function hasEndProblems(db: Catalog, id: string): Promise<boolean> {
  const found = await db
    .selectFrom('retrieval_problems')
    .select('id')
    .where('retrieval_id', '=', id)
    .where('no', '=', endProblemsNo)
    .limit(1)
    .executeTakeFirst();
  return found !== undefined;
}
