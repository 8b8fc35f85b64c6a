import lt from 'semver/functions/lt.js';
import valid from 'semver/functions/valid.js';
import { describeError } from '../../config/failures.js';
import { formatDuration } from '../../config/durations.js';
import { formatBytes } from '../../config/sizes.js';
import { attributesAtServer, wrongTypes } from '../../workers/server/attributes-at-server.js';
import type { Check } from './disk-checks.js';
import type { Server } from '../server.js';
import { english } from '../../messages/sentence.js';

/** The oldest Temporal server with the priorities, updates and summaries that are used. */
export const oldestServer = '1.27.0';
/** Bytes of one message's content that a server accepts by default; ours are kept below. */
const payloadBytes = 2 * 1024 * 1024;

/** A namespace, as the server describes it. */
type Namespace = Awaited<ReturnType<Server['client']['workflowService']['describeNamespace']>>;

/** What a Temporal server of your own lacks, of what the embedded one has by itself. */
export async function checkOwnServer(
  server: Server,
  version: string,
  namespace: Namespace,
): Promise<Check[]> {
  return [
    ...checkVersion(version),
    checkNamespace(server.target.namespace, namespace),
    await checkAttributes(server),
  ];
}

function checkVersion(version: string): Check[] {
  if (valid(version) === null || !lt(version, oldestServer)) return [];
  return [
    {
      what: english`Temporal`,
      level: 'trouble',
      finding: english`version ${version} of the server is too old`,
      advice: english`It must be ${oldestServer} or newer.`,
    },
  ];
}

function checkNamespace(name: string, { namespaceInfo, config }: Namespace): Check {
  const what = english`namespace ${name}`;
  const { capabilities, limits } = namespaceInfo ?? {};
  // Missing in the answers of old servers.
  if (capabilities?.syncUpdate === false)
    return {
      ...{
        what,
        level: 'trouble',
        finding: english`the server takes no updates: pause, resume and cancel fail`,
      },
      advice: english`Its administrator sets frontend.enableUpdateWorkflowExecution to true.`,
    };
  const takes = Number(limits?.blobSizeLimitError ?? 0);
  if (takes > 0 && takes < payloadBytes)
    return {
      ...{
        what,
        level: 'trouble',
        finding: english`the server takes messages up to ${formatBytes(takes)} only`,
      },
      advice: english`Its administrator sets limit.blobSize.error to ${payloadBytes}, the default.`,
    };
  const keeps = Number(config?.workflowExecutionRetentionTtl?.seconds ?? 0);
  return { what, level: 'ok', finding: english`keeps what has ended for ${formatDuration(keeps)}` };
}

async function checkAttributes({ client, target }: Server): Promise<Check> {
  const what = english`search attributes`;
  try {
    const all = await attributesAtServer(client.connection, target.namespace);
    const missing = all.filter(({ has }) => has === undefined);
    const wrong = all.filter(({ has, type }) => has !== undefined && has !== type);
    if (wrong.length > 0)
      return {
        ...{ what, level: 'trouble', finding: wrongTypes(wrong) },
        advice: english`Use a namespace of its own for tapeflow (TEMPORAL_NAMESPACE).`,
      };
    if (missing.length === 0) return { what, level: 'ok', finding: english`all ${all.length} are there` };
    const names = missing.map(({ name }) => name).join(', ');
    return {
      ...{ what, level: 'trouble', finding: english`the namespace ${target.namespace} lacks ${names}` },
      advice: english`\`tapeflow admin setup\` adds them; so does a worker or a backup that has the right to.`,
    };
  } catch (error) {
    return { what, level: 'note', finding: english`could not be looked at: ${describeError(error)}` };
  }
}

/** A finding, with the note that variables of the environment have no effect, since the embedded server is used. */
export function withUnused(finding: string, variables: readonly string[]): string {
  if (variables.length === 0) return finding;
  const have = variables.length > 1 ? 'have' : 'has';
  return english`${finding}; ${variables.join(', ')} ${have} no effect, since neither TEMPORAL_ADDRESS
    nor TEMPORAL_PROFILE names another server`;
}
