import { formatTime } from '../../config/local-time.js';
import { listRefusals } from '../../catalog/server/refusals.js';
import type { RefusalRow } from '../../catalog/rows.js';
import { keyFile, readKey } from '../../proof/key-file.js';
import { answerWithinMs } from '../../workers/server/workflow-trouble.js';
import { failedCheck, type Check } from './disk-checks.js';
import type { Session } from '../session.js';
import { findServer, type Server } from '../server.js';
import { english } from '../../messages/sentence.js';

const dayMs = 86_400_000;
/** How long a refused message is reported. */
const toldForMs = 30 * dayMs;

/** Checks the key that proves messages, and reports refused messages. */
export async function checkProofs(session: Session, catalogWorks: boolean): Promise<Check[]> {
  const key = checkKey(session);
  if (!catalogWorks) return [key];
  const refusals = (await listRefusals(await session.catalog())).filter(
    ({ last_at: at }) => Date.now() - at < toldForMs,
  );
  if (refusals.length === 0) return [key];
  const server = key.level === 'trouble' ? undefined : await findServer(session).catch(() => undefined);
  try {
    const checks = refusals.map((row) => refusalCheck(row, server));
    return [key, ...(await Promise.all(checks))];
  } finally {
    await server?.close();
  }
}

function checkKey({ settings }: Session): Check {
  const what = english`key`;
  const file = keyFile(settings.TAPEFLOW_DATA_DIR);
  try {
    const key = readKey(settings.TAPEFLOW_DATA_DIR);
    if (key === undefined) return { what, level: 'note', finding: english`${file} is made at its first use` };
    return {
      what,
      level: 'ok',
      finding: english`${file} proves messages to workers, and only its user reads it`,
    };
  } catch (error) {
    return failedCheck(what, error);
  }
}

async function refusalCheck(row: RefusalRow, server: Server | undefined): Promise<Check> {
  const { kind, times, what, first_at: since, last_at: at } = row;
  const who = server === undefined ? [] : await strangersIn(server, row).catch(() => []);
  const finding = english`${what} was not obeyed, since nothing proves that it comes from this installation
    (first ${formatTime(since)}, last ${formatTime(at)}, ${times} so far)`;
  return {
    what: english`refused ${kind}`,
    level: Date.now() - at < dayMs ? 'trouble' : 'note',
    finding: who.length === 0 ? finding : english`${finding}; who sent it calls themselves ${who.join(', ')}`,
    advice: english`Another user reaches the server, or a command or worker of yours has
        another data folder: see "Who can do what" in docs/operations.md.`,
  };
}

/** Identities of others who dealt with a run, as they report them to the server. */
async function strangersIn(server: Server, { workflow_id, run_id }: RefusalRow): Promise<string[]> {
  const { client, target, installation } = server;
  const request = {
    namespace: target.namespace,
    execution: { workflowId: workflow_id, runId: run_id },
    maximumPageSize: 50,
  };
  const [first, last] = await client.withDeadline(Date.now() + answerWithinMs, () =>
    Promise.all([
      client.workflowService.getWorkflowExecutionHistory(request),
      client.workflowService.getWorkflowExecutionHistoryReverse(request),
    ]),
  );
  const events = [...(first.history?.events ?? []), ...(last.history?.events ?? [])];
  const names = events.flatMap((event) =>
    Object.values(event as object).flatMap((attributes: unknown) =>
      typeof attributes === 'object' && attributes !== null && 'identity' in attributes
        ? [String(attributes.identity)]
        : [],
    ),
  );
  return [...new Set(names)].filter((name) => name !== '' && !name.startsWith(`tapeflow-${installation} `));
}
