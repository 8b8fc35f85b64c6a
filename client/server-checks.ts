import path from 'node:path';
import { TapeflowFailure, describeError } from '../config/failures.js';
import type { Settings } from '../config/settings.js';
import { oldestCli } from '../embedded/cli-release.js';
import { readHostFile } from '../embedded/host-file.js';
import { archiveQueue, compressQueue, driveHostQueue, driveQueue } from '../workflows/queues.js';
import type { Check } from './disk-checks.js';
import { findServer, type Server, type Session } from './session.js';

/** Milliseconds by which this machine's clock may differ from the server's. */
const mostClockSkewMs = 5000;
/** Seconds within which a worker must have asked for work to count as alive: a long poll lasts one minute. */
const workerAliveSeconds = 90;

/** The Temporal server, its clock, and whether workers serve every queue. */
export async function checkTemporal(session: Session): Promise<Check[]> {
  const { settings } = session;
  const what = 'Temporal';
  let server: Server | undefined;
  try {
    server = await findServer(session);
  } catch (error) {
    const advice = error instanceof TapeflowFailure ? error.advice : undefined;
    return [
      {
        what,
        level: 'trouble',
        finding: error instanceof TapeflowFailure ? error.message : describeError(error),
        advice,
      },
    ];
  }
  if (server === undefined) {
    const stale = readHostFile(settings.TAPEFLOW_DATA_DIR);
    const left = stale === undefined ? '' : ' (the last one was killed; the next start cleans up after it)';
    return [
      {
        what,
        level: 'note',
        finding: `the embedded server does not run now${left}; \`up\` and \`backup\` start it`,
      },
    ];
  }
  try {
    const { client, target } = server;
    const before = Date.now();
    const info = await client.workflowService.getSystemInfo({});
    await client.workflowService.describeNamespace({ namespace: target.namespace });
    const ui = server.lease?.host.ui;
    const version = info.serverVersion;
    const checks: Check[] = [
      {
        what,
        level: 'ok',
        finding: `${target.embedded ? 'embedded' : 'own'} server ${version} at ${target.address}, namespace ${target.namespace}${ui === undefined ? '' : `, UI ${ui}`}`,
      },
      await checkClock(server, before),
    ];
    checks.push(...(await queueChecks(server, settings, undefined)));
    return checks;
  } catch (error) {
    const missing = describeError(error).includes('Namespace');
    return [
      {
        what,
        level: 'trouble',
        finding: `the server at ${server.target.address} answers, but not as it should: ${describeError(error)}`,
        advice: missing
          ? `Make the namespace ${server.target.namespace}, or correct TEMPORAL_NAMESPACE.`
          : `It must be Temporal ${oldestCli} or newer.`,
      },
    ];
  } finally {
    await server.close();
  }
}

/** The server's clock, from when it says that a worker asked for work last. */
async function checkClock(server: Server, asked: number): Promise<Check> {
  const what = 'clock';
  const pollers = await pollersOf(server, archiveQueue);
  const latest = Math.max(0, ...pollers);
  if (latest === 0)
    return {
      what,
      level: 'note',
      finding: `${new Date(asked).toISOString()}; no worker runs to compare it with the server's`,
    };
  const ahead = latest - Date.now();
  if (ahead > mostClockSkewMs) {
    return {
      what,
      level: 'trouble',
      finding: `this machine's clock is ${Math.round(ahead / 1000)} s behind the server's`,
      advice: 'Set both by NTP: time-outs and event times depend on it.',
    };
  }
  return { what, level: 'ok', finding: `${new Date(asked).toISOString()}, not behind the server's` };
}

/** When each worker of a queue asked for work last, in milliseconds since 1970. */
async function pollersOf(server: Server, queue: string): Promise<number[]> {
  /** TASK_QUEUE_TYPE_ACTIVITY of Temporal's API. */
  const activityQueue = 2;
  const { pollers } = await server.client.workflowService.describeTaskQueue({
    namespace: server.target.namespace,
    taskQueue: { name: queue },
    taskQueueType: activityQueue,
  });
  return (pollers ?? []).map((poller) => Number(poller.lastAccessTime?.seconds ?? 0) * 1000);
}

async function queueChecks(server: Server, settings: Settings, role: string | undefined): Promise<Check[]> {
  const drives = settings.drives.map((drive) => drive.name);
  const queues = [
    ...(role === undefined || role === 'archive' ? [archiveQueue, compressQueue] : []),
    ...drives
      .filter((name) => role === undefined || role === name)
      .flatMap((name) => [driveQueue(name), driveHostQueue(name)]),
  ];
  const troubles = new Map((server.lease?.workers() ?? []).map((worker) => [worker.name, worker.trouble]));
  const checks: Check[] = [];
  for (const queue of queues) {
    const alive = (await pollersOf(server, queue)).some((at) => Date.now() - at < workerAliveSeconds * 1000);
    const drive = drives.find((name) => queue === driveQueue(name) || queue === driveHostQueue(name));
    const name = drive === undefined ? 'archive worker' : `tape worker ${drive}`;
    const command = drive === undefined ? 'tapeflow worker archive' : `tapeflow worker tape --drive ${drive}`;
    checks.push({
      what: `queue ${queue}`,
      level: alive ? 'ok' : 'trouble',
      finding: alive ? 'a worker serves it' : (troubles.get(name) ?? `no ${name} serves it`),
      advice: alive
        ? undefined
        : server.lease === undefined
          ? `Run \`${command}\`.`
          : `It is started by itself; if it does not come, see ${path.join(settings.TAPEFLOW_DATA_DIR, 'logs')}.`,
    });
  }
  return checks;
}

/** Whether workers serve their queues: all, those of `archive`, or those of a drive. */
export async function checkWorkers(session: Session, role: string | undefined): Promise<Check[]> {
  const server = await findServer(session);
  if (server === undefined)
    return [{ what: 'Temporal', level: 'trouble', finding: 'no server runs', advice: 'Run `tapeflow up`.' }];
  try {
    return await queueChecks(server, session.settings, role);
  } finally {
    await server.close();
  }
}
