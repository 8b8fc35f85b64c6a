import { unreserveForCopy } from '../../catalog/groups/staging-budget.js';
import type { RetrievalArchiveRow } from '../../catalog/rows.js';
import { removeFile } from '../../disk/durable-file.js';
import type { Attempt } from '../attempt.js';
import type { Deps } from '../deps.js';
import { stagingIsFull } from '../groups/staging-room.js';

/**
 * Gives back the staging of an archive that did not fit, so that it is read again when there is room. Throws the error
 * where it says anything else than that staging is full.
 *
 * @param files what may have been staged of it.
 */
export async function leaveFullStaging(
  { catalog, settings, logger }: Deps,
  attempt: Attempt,
  { retrieval_id: id, no, set_id: setId, group_no: group }: RetrievalArchiveRow,
  error: unknown,
  files: readonly string[],
): Promise<void> {
  const why = stagingIsFull(error, settings.BACKUP_COMPRESS_DIR);
  if (why === undefined) throw error;
  attempt.throwIfCancelled();
  logger.warn({ retrieval: id, setId, group }, `waiting for room: ${why}`);
  // A read-only disk deletes nothing either.
  for (const file of files) await removeFile(file).catch(() => false);
  await unreserveForCopy(catalog, id, no);
}
