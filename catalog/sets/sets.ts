import { english } from '../../messages/sentence.js';
import { TapeflowFailure, usageFailure } from '../../config/failures.js';
import type { Catalog } from '../open-catalog.js';
import type { SetRow } from '../rows.js';
import { finalSetStates } from '../schema/set-tables.js';

/** The set of that id, or undefined. */
export async function findSet(db: Catalog, id: string): Promise<SetRow | undefined> {
  return db.selectFrom('sets').selectAll().where('id', '=', id).executeTakeFirst();
}

/** The set of that id; throws a usage failure when there is none. */
export async function setNamed(db: Catalog, id: string): Promise<SetRow> {
  const set = await findSet(db, id);
  if (set !== undefined) return set;
  throw usageFailure(
    'NoSuchSet',
    english`There is no set ${id} in the catalog.`,
    english`\`tapeflow sets\` lists them.`,
  );
}

/** The set of that id, for reading its files; throws a failure when there is none, or when nothing of it is left. */
export async function setWithFiles(db: Catalog, id: string): Promise<SetRow> {
  const set = await setNamed(db, id);
  if (set.state !== 'expired') return set;
  throw new TapeflowFailure(
    'SetExpired',
    english`The set ${id} has expired, and nothing of it is left: ${set.reason ?? english`its tape was erased`}.`,
    { advice: english`\`tapeflow find GLOB\` looks in the sets that are left.` },
  );
}

/** Every set, newest first. */
export async function listSets(db: Catalog): Promise<SetRow[]> {
  return db.selectFrom('sets').selectAll().orderBy('id', 'desc').execute();
}

/** Sets that are not in a final state, oldest first. */
export async function unfinishedSets(db: Catalog): Promise<SetRow[]> {
  return db.selectFrom('sets').selectAll().where('state', 'not in', finalSetStates).orderBy('id').execute();
}

/** Records which workflow works on a set: if ids change, that one is ended before another takes over. */
export async function recordWorkflow(catalog: Catalog, setId: string, workflowId: string): Promise<void> {
  await catalog
    .updateTable('sets')
    .set({ workflow_id: workflowId })
    .where('id', '=', setId)
    .where((eb) => eb.or([eb('workflow_id', 'is', null), eb('workflow_id', '!=', workflowId)]))
    .execute();
}
