import { WorkflowNotFoundError } from '@temporalio/common';
import { removeCopyStaging } from '../../staging/copy-staging.js';
import {
  finalRetrievalStates,
  recordRetrieval,
  retrievalNamed,
  usesStaging,
} from '../../catalog/retrievals/retrievals.js';
import { TapeflowFailure, usageFailure } from '../../config/failures.js';
import { answerWithinMs } from '../../workers/server/workflow-trouble.js';
import { cancelRetrievalUpdate } from '../../workflows/messages.js';
import { retrievalWorkflowId } from '../../workflows/workflow-ids.js';
import type { Session } from '../session.js';
import { whereServerRuns, type Server } from '../server.js';
import { english } from '../../messages/sentence.js';
import { t } from '../../messages/shown.js';

/** Cancels a retrieval; what was restored stays. */
export async function cancelRetrieval(session: Session, id: string): Promise<void> {
  const catalog = await session.catalog();
  const row = await retrievalNamed(catalog, id);
  if (finalRetrievalStates.includes(row.state))
    throw usageFailure('HasEnded', english`${id} has ended: it is ${row.state}.`);
  await whereServerRuns(session, (server) => cancelAtServer(server, id));
  // The workflow records the same when its step has stopped; without a server nobody else does.
  await recordRetrieval(catalog, id, 'cancelled', 'by a command');
  const { state } = await retrievalNamed(catalog, id);
  if (state !== 'cancelled')
    throw new TapeflowFailure(
      'HasEnded',
      english`${id} was not cancelled: it had ended before, and is ${state}.`,
    );
  if (usesStaging(row)) await removeCopyStaging(session.settings.BACKUP_COMPRESS_DIR, id);
  if (session.json) session.emit({ id, status: 'cancelled' });
  else if (row.kind === 'restore') session.print(t`${id} is cancelled; what it has restored stays.`);
  else session.print(t`${id} is cancelled; what it has done stays.`);
}

/**
 * Cancels the workflow; without a worker it is terminated, since workers later see in the catalog that it is cancelled.
 */
async function cancelAtServer(server: Server, id: string): Promise<void> {
  const handle = server.client.workflow.getHandle(retrievalWorkflowId(id, server.installation));
  try {
    await server.client.withDeadline(Date.now() + answerWithinMs, () =>
      handle.executeUpdate(cancelRetrievalUpdate),
    );
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return;
    await handle.terminate('tapeflow: cancelled by a command').catch((failure: unknown) => {
      if (!(failure instanceof WorkflowNotFoundError)) throw failure;
    });
  }
}
