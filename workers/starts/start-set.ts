import { WorkflowIdConflictPolicy, WorkflowIdReusePolicy } from '@temporalio/common';
import type { SetOptions } from '../../operations/sets/set-options.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import { placesOf } from '../../catalog/sets/copy-places.js';
import { onHost } from '../../entry/host-path.js';
import type { SetRow } from '../../catalog/rows.js';
import { firstAttributes, type BackupSetInput } from '../../workflows/messages.js';
import { backupWorkflowId } from '../../workflows/workflow-ids.js';
import { queuesOf } from '../../workflows/queues.js';
import { detailsText, summaryText } from '../../workflows/server-limits.js';
import { terminateImpostor } from '../server/terminate-impostor.js';
import { rememberWorkflow, retireLegacyWorkflow } from '../server/legacy-workflow.js';
import { startWhenReady } from '../server/prepare-server.js';
import type { TemporalServer } from '../server/temporal-target.js';

/**
 * Starts a set's workflow, or finds it running. Also resumes a set after the server's database was lost, or one that
 * ran under another id: every step asks the catalog what is already done. A paused set stays paused.
 *
 * @param run.onlyNew throws `WorkflowExecutionAlreadyStartedError` when it is already running.
 */
export async function startSet(
  server: TemporalServer,
  catalog: Catalog,
  set: SetRow,
  run: { retry: boolean; paused?: boolean; onlyNew?: boolean },
): Promise<void> {
  const sources = (JSON.parse(set.sources) as string[]).map((source) => onHost(set.host, source));
  const pools = placesOf(set).map(({ pool }) => pool);
  const input: BackupSetInput = {
    setId: set.id,
    ...(set.host === null ? {} : { host: set.host }),
    pool: set.pool,
    drive: set.drive,
    ...(set.places === null ? {} : { places: placesOf(set) }),
    ...(set.hook === null ? {} : { hook: true }),
    options: JSON.parse(set.options) as SetOptions,
    cursor: 0,
    scanned: set.scanned === 1,
    retry: run.retry,
    paused: run.paused ?? set.state === 'paused',
  };
  const { installation } = server;
  await retireLegacyWorkflow(server, set);
  await terminateImpostor(server, backupWorkflowId(set.id, installation));
  const { FAIL, USE_EXISTING } = WorkflowIdConflictPolicy;
  await startWhenReady(server, () =>
    server.client.workflow.start('backupSet', {
      workflowId: backupWorkflowId(set.id, installation),
      taskQueue: queuesOf(installation).archive,
      args: [input],
      workflowIdConflictPolicy: run.onlyNew === true ? FAIL : USE_EXISTING,
      workflowIdReusePolicy: WorkflowIdReusePolicy.ALLOW_DUPLICATE,
      staticSummary: summaryText(`→ pool ${pools.join(' and ')}: ${sources.join(' ')}`),
      staticDetails: detailsText(
        `Backup set ${set.id}\n\n${placesOf(set)
          .map(({ pool, drive }) => `- drive: ${drive}, pool: ${pool}`)
          .join('\n')}\n- sources: ${sources.join(', ')}`,
      ),
      typedSearchAttributes: firstAttributes({ ...input, sources, installation }),
    }),
  );
  await rememberWorkflow(server, catalog, set);
}
