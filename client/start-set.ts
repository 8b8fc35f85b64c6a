import { WorkflowIdConflictPolicy, WorkflowIdReusePolicy } from '@temporalio/common';
import { snapshotOptions, type SetOptions } from '../activities/set-options.js';
import { placesOf } from '../catalog/set-copies.js';
import type { SetRow } from '../catalog/sets.js';
import { TapeflowFailure, describeError } from '../config/failures.js';
import type { Settings } from '../config/settings.js';
import {
  backupWorkflowId,
  firstAttributes,
  searchAttributes,
  type BackupSetInput,
} from '../workflows/messages.js';
import { archiveQueue } from '../workflows/queues.js';
import type { Server } from './session.js';

/** Takes the snapshot of the settings that a new set keeps. */
export function newSetOptions(settings: Settings): SetOptions {
  return snapshotOptions(settings);
}

/**
 * Starts a set's workflow, or finds it running. A set whose server database was lost is taken up the same way: every
 * step asks the catalog what is done already.
 */
export async function startSet(server: Server, set: SetRow, run: { retry: boolean }): Promise<void> {
  const sources = JSON.parse(set.sources) as string[];
  const pools = placesOf(set).map(({ pool }) => pool);
  const input: BackupSetInput = {
    setId: set.id,
    pool: set.pool,
    drive: set.drive,
    ...(set.places === null ? {} : { places: placesOf(set) }),
    options: JSON.parse(set.options) as SetOptions,
    cursor: 0,
    scanned: set.scanned === 1,
    retry: run.retry,
    paused: false,
  };
  if (!server.target.embedded) await registerSearchAttributes(server);
  await server.client.workflow.start('backupSet', {
    workflowId: backupWorkflowId(set.id),
    taskQueue: archiveQueue,
    args: [input],
    workflowIdConflictPolicy: WorkflowIdConflictPolicy.USE_EXISTING,
    workflowIdReusePolicy: WorkflowIdReusePolicy.ALLOW_DUPLICATE,
    staticSummary: `${sources.join(' ').slice(0, 150)} → pool ${pools.join(' and ')}`,
    staticDetails: `Backup set ${set.id}\n\n- sources: ${sources.join(', ').slice(0, 2000)}\n${placesOf(set)
      .map(({ pool, drive }) => `- drive: ${drive}, pool: ${pool}`)
      .join('\n')}`,
    typedSearchAttributes: firstAttributes({ ...input, sources }),
  });
}

/** INDEXED_VALUE_TYPE_… of Temporal's API (`temporal/api/enums/v1/common.proto`). */
const indexedValueTypes = { KEYWORD: 2, KEYWORD_LIST: 7 } as const;

/** Tells an own server of our search attributes, when it does not know them. The embedded one is started with them. */
export async function registerSearchAttributes({ client, target }: Server): Promise<void> {
  const wanted = Object.fromEntries(
    Object.values(searchAttributes).map((attribute) => [
      attribute.name,
      attribute.type === 'KEYWORD_LIST' ? indexedValueTypes.KEYWORD_LIST : indexedValueTypes.KEYWORD,
    ]),
  );
  try {
    const { operatorService } = client.connection;
    const { customAttributes } = await operatorService.listSearchAttributes({ namespace: target.namespace });
    const missing = Object.entries(wanted).filter(([name]) => customAttributes[name] === undefined);
    if (missing.length === 0) return;
    await operatorService.addSearchAttributes({
      namespace: target.namespace,
      searchAttributes: Object.fromEntries(missing),
    });
  } catch (error) {
    throw new TapeflowFailure(
      'NoSearchAttributes',
      `The Temporal server at ${target.address} could not be told of tapeflow's search attributes: ${describeError(error)}.`,
      {
        advice: `Add them once as its administrator: ${Object.keys(wanted).join(', ')} (TapeflowSource: KeywordList, the others Keyword).`,
      },
    );
  }
}
