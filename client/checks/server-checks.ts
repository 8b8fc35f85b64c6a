import path from 'node:path';
import { listHostDrives } from '../../catalog/hosts/host-drives.js';
import { hostInQueues, listHosts } from '../../catalog/hosts/hosts.js';
import { isCatalogOutOfReach } from '../../catalog/catalog-failure.js';
import { describeError } from '../../config/failures.js';
import type { DriveSettings, Settings } from '../../config/settings/settings.js';
import { readHostFile } from '../../embedded/host-file.js';
import { unusedVariables } from '../../workers/server/own-server.js';
import { queuesOf } from '../../workflows/queues.js';
import { failedCheck, type Check } from './disk-checks.js';
import { checkOwnServer, oldestServer, withUnused } from './own-server-checks.js';
import type { Session } from '../session.js';
import { findServer, whereServerRuns, type Server } from '../server.js';
import { english } from '../../messages/sentence.js';

/** Milliseconds by which this machine's clock may differ from the server's. */
const maxClockSkewMs = 5000;
/** Seconds within which a worker must have polled to count as alive: a long poll lasts one minute. */
const workerAliveSeconds = 90;

/** Checks the Temporal server, its clock, and that workers serve every queue. */
export async function checkTemporal(session: Session): Promise<Check[]> {
  const { settings } = session;
  const what = english`Temporal`;
  let server: Server | undefined;
  try {
    server = await findServer(session);
  } catch (error) {
    if (isCatalogOutOfReach(error))
      return [{ what, level: 'note', finding: english`not looked at without a catalog` }];
    return [failedCheck(what, error)];
  }
  if (server === undefined) {
    const stale = readHostFile(settings.TAPEFLOW_DATA_DIR);
    const finding =
      stale === undefined
        ? english`the embedded server does not run now; \`up\` and \`backup\` start it`
        : english`the embedded server does not run now (the last one was killed; the next start cleans up
          after it); \`up\` and \`backup\` start it`;
    return [
      {
        what,
        level: 'note',
        finding: withUnused(finding, unusedVariables(process.env)),
      },
    ];
  }
  try {
    const { client, target } = server;
    const before = Date.now();
    const info = await client.workflowService.getSystemInfo({});
    const namespace = await client.workflowService.describeNamespace({ namespace: target.namespace });
    const ui = server.lease?.host.ui;
    const version = info.serverVersion;
    const checks: Check[] = [
      {
        what,
        level: 'ok',
        finding: serverText(target, version, ui),
      },
      ...(target.embedded ? [] : await checkOwnServer(server, version, namespace)),
      await checkClock(server, before),
    ];
    checks.push(...(await queueChecks(session, server, undefined)));
    return checks;
  } catch (error) {
    return [
      {
        what,
        level: 'trouble',
        finding: english`the server at ${server.target.address} answers, but not as it should:
          ${describeError(error)}`,
        advice: english`It must be Temporal's server ${oldestServer} or newer.`,
      },
    ];
  } finally {
    await server.close();
  }
}

function serverText(target: Server['target'], version: string, ui: string | undefined): string {
  const { address, namespace, access } = target;
  // Of the embedded one there is nothing to say how it is reached.
  if (access !== undefined)
    return english`own server ${version} at ${address}, namespace ${namespace}, ${access}`;
  const finding = english`embedded server ${version} at ${address}, namespace ${namespace}`;
  const unused = unusedVariables(process.env);
  return withUnused(ui === undefined ? finding : english`${finding}, UI ${ui}`, unused);
}

/** Compares this machine's clock with the server's, by the time of a worker's last poll. */
async function checkClock(server: Server, asked: number): Promise<Check> {
  const what = english`clock`;
  const pollers = await pollersOf(server, queuesOf(server.installation).archive);
  const latest = Math.max(0, ...pollers.map((poller) => poller.at));
  if (latest === 0)
    return {
      what,
      level: 'note',
      finding: english`${new Date(asked).toISOString()}; no worker runs to compare it with the server's`,
    };
  const ahead = latest - Date.now();
  if (ahead > maxClockSkewMs) {
    return {
      what,
      level: 'trouble',
      finding: english`this machine's clock is ${Math.round(ahead / 1000)} s behind the server's`,
      advice: english`Set both by NTP: time-outs and event times depend on it.`,
    };
  }
  return { what, level: 'ok', finding: english`${new Date(asked).toISOString()}, not behind the server's` };
}

/** A worker that polls a queue. */
interface Poller {
  identity: string;
  /** Time of its last poll, in milliseconds since 1970. */
  at: number;
}

async function pollersOf(server: Server, queue: string): Promise<Poller[]> {
  /** TASK_QUEUE_TYPE_ACTIVITY of Temporal's API. */
  const activityQueue = 2;
  const { pollers } = await server.client.workflowService.describeTaskQueue({
    namespace: server.target.namespace,
    taskQueue: { name: queue },
    taskQueueType: activityQueue,
  });
  return (pollers ?? []).map(({ identity, lastAccessTime }) => ({
    identity: identity ?? '',
    at: Number(lastAccessTime?.seconds ?? 0) * 1000,
  }));
}

/** The drives that should have a worker: of several hosts, one whose default folder was never served has no drive. */
async function servedDrives(session: Session): Promise<DriveSettings[]> {
  const { drives } = await session.allDrives();
  const catalog = await session.catalog();
  if ((await listHosts(catalog)).length < 2) return drives;
  const known = new Set((await listHostDrives(catalog)).map(({ name }) => name));
  return drives.filter(({ name, ours }) => !ours || known.has(name));
}

async function queueChecks(session: Session, server: Server, role: string | undefined): Promise<Check[]> {
  const { settings } = session;
  const queues = queuesOf(server.installation);
  const host = await hostInQueues(await session.catalog(), settings.TAPEFLOW_HOST);
  const served: { queue: string; worker: string; command: string }[] = [];
  if (role === undefined || role === 'archive') {
    for (const queue of [queues.archive, queues.host(host), queues.compress(host)])
      served.push({ queue, worker: english`archive worker`, command: 'tapeflow worker archive' });
  }
  for (const { name, host: at } of await servedDrives(session)) {
    if (role !== undefined && role !== name) continue;
    const command = `tapeflow worker tape --drive ${name}${at === undefined ? '' : `\` on host \`${at}`}`;
    for (const queue of [queues.drive(name), queues.driveHost(name)])
      served.push({ queue, worker: english`tape worker ${name}`, command });
  }
  const checks: Check[] = [];
  for (const one of served) checks.push(await queueCheck(server, settings, one));
  return checks;
}

/**
 * Checks who serves a queue, by the identities of its workers; a foreign worker would take the work and do something
 * else.
 */
async function queueCheck(
  server: Server,
  settings: Settings,
  { queue, worker, command }: { queue: string; worker: string; command: string },
): Promise<Check> {
  const what = english`queue ${queue}`;
  const alive = (await pollersOf(server, queue)).filter(
    ({ at }) => Date.now() - at < workerAliveSeconds * 1000,
  );
  const ours = `tapeflow-${server.installation} ${worker} at `;
  const strangers = alive.filter(({ identity }) => !identity.startsWith(ours));
  if (strangers.length > 0) {
    const others = new Set(strangers.map(({ identity }) => identity));
    return {
      what,
      level: 'trouble',
      finding: english`somebody else serves it: ${[...others].join('; ')}`,
      advice: english`Find that program by its host and pid, and end it: it takes the work of this
        installation.`,
    };
  }
  if (alive.length > 0) {
    const by = [...new Set(alive.map(({ identity }) => identity.slice(identity.indexOf(' ') + 1)))];
    return { what, level: 'ok', finding: english`served by ${by.join('; ')}` };
  }
  const said = server.lease?.workers().find(({ name }) => name === worker)?.trouble;
  return {
    what,
    level: 'trouble',
    finding: said ?? english`no ${worker} serves it`,
    advice:
      server.lease === undefined
        ? english`Run \`${command}\`.`
        : english`It is started automatically; if it does not appear, see
          ${path.join(settings.TAPEFLOW_DATA_DIR, 'logs')}.`,
  };
}

/** Checks that workers serve their queues: all queues, those of `archive`, or those of a drive. */
export async function checkWorkers(session: Session, role: string | undefined): Promise<Check[]> {
  const none: Check = {
    what: english`Temporal`,
    level: 'trouble',
    finding: english`no server runs`,
    advice: english`Run \`tapeflow up\`.`,
  };
  return (await whereServerRuns(session, (server) => queueChecks(session, server, role))) ?? [none];
}
