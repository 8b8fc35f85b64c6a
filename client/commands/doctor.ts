import path from 'node:path';
import Database from 'better-sqlite3';
import type { Command } from 'commander';
import { whyNoAddon } from '../../archive/native-addon.js';
import { openLibdeflate } from '../../archive/native-codec.js';
import { requireZstd } from '../../archive/zstd.js';
import { openCatalog } from '../../catalog/open-catalog.js';
import { TapeflowFailure, describeError } from '../../config/failures.js';
import { formatDuration } from '../../config/durations.js';
import type { Retention } from '../../config/retention.js';
import type { DriveSettings, SettingName, Settings } from '../../config/settings.js';
import { formatBytes } from '../../config/sizes.js';
import { oldestCli } from '../../embedded/cli-release.js';
import { isAtLeast } from '../../embedded/obtain-cli.js';
import { readHostFile } from '../../embedded/host-file.js';
import { openDrive } from '../../tape/drive.js';
import { tapeAdvice } from './tape.js';
import { identifyTape } from '../../tape/loaded-tape.js';
import { archiveQueue, compressQueue, driveHostQueue, driveQueue } from '../../workflows/queues.js';
import { checkDataDisks, checkStaging, checkWriteLock } from '../disk-checks.js';
import type { Check, Level } from '../disk-checks.js';
import { exitCodes } from '../exit-codes.js';
import { findServer, inSession, type Server, type Session } from '../session.js';
import { troubledSets } from '../set-health.js';
import { tableLines } from '../table.js';

/** SQLite before this can corrupt a WAL database that several processes use (the WAL-reset bug). */
const oldestSqlite = '3.51.3';
const oldestNode = '20.3.0';
/** Milliseconds by which this machine's clock may differ from the server's. */
const mostClockSkewMs = 5000;
/** Seconds within which a worker must have asked for work to count as alive: a long poll lasts one minute. */
const workerAliveSeconds = 90;

/** `doctor`: the settings in force with their origin, and what is wrong with this installation. */
export function addDoctor(program: Command): void {
  program
    .command('doctor')
    .description('print the settings in force, check this installation, and say what to do')
    .option(
      '--workers [role]',
      'only check that workers serve their queues: archive, or the name of a drive (for health checks)',
    )
    .action(({ workers }: { workers?: string | true }, command: Command) =>
      inSession(command, async (session) => {
        const checks =
          workers === undefined
            ? await checkAll(session)
            : await checkWorkers(session, workers === true ? undefined : workers);
        print(session, checks, workers === undefined);
        if (checks.some((check) => check.level === 'trouble')) process.exitCode = exitCodes.failure;
      }),
    );
}

function print(session: Session, checks: readonly Check[], withSettings: boolean): void {
  const { settings } = session;
  if (session.json) {
    const values = settingRows(settings).map(([name, value, origin]) => ({ name, value, origin }));
    session.emit({
      ...(withSettings ? { settings: values } : {}),
      checks,
      healthy: checks.every((check) => check.level !== 'trouble'),
    });
    return;
  }
  if (withSettings) {
    for (const line of tableLines([['SETTING', 'VALUE', 'FROM'], ...settingRows(settings)]))
      session.print(line);
    session.print('');
  }
  const signs: Record<Level, string> = { ok: 'ok      ', note: 'note    ', trouble: 'TROUBLE ' };
  for (const { what, level, finding, advice } of checks) {
    session.print(`${signs[level]} ${what}: ${finding}`);
    if (advice !== undefined) session.print(`          → ${advice}`);
  }
}

function settingRows(settings: Settings): [string, string, string][] {
  const rows: [string, string, string][] = [];
  const values = settings as unknown as Record<string, unknown>;
  for (const name of Object.keys(settings.origins) as (SettingName | 'drives' | 'pools')[]) {
    if (name === 'drives' || name === 'pools') continue;
    if (name === 'POOL_RETENTION') {
      rows.push([name, shownRetention(settings.POOL_RETENTION), settings.origins[name]]);
      continue;
    }
    const value = values[name] as string | number | boolean | undefined;
    const isBytes = typeof value === 'number' && /BYTES|SIZE|DRAIN_AT/.test(name);
    rows.push([
      name,
      value === undefined ? '–' : isBytes ? `${value} (${formatBytes(value)})` : String(value),
      settings.origins[name],
    ]);
  }
  for (const drive of settings.drives) {
    rows.push([
      `drive ${drive.name}`,
      `${drive.kind} ${drive.path}`,
      drive.ours ? 'default' : settings.origins['drives'],
    ]);
  }
  for (const [pool, retention] of Object.entries(settings.retentions.pools))
    rows.push([`pool ${pool}`, `retention ${shownRetention(retention)}`, settings.origins['pools']]);
  return rows;
}

function shownRetention(retention: Retention): string {
  return retention === null ? 'forever' : formatDuration(retention);
}

async function checkAll(session: Session): Promise<Check[]> {
  const { settings } = session;
  const checks: Check[] = [checkNode(), await checkCatalog(settings), await checkCompression(settings)];
  checks.push(...(await checkTemporal(session)));
  checks.push(...(await checkStaging(settings)), ...(await checkDataDisks(settings)));
  const catalogWorks = checks[1]?.level !== 'trouble';
  for (const drive of settings.drives) checks.push(await checkDrive(session, drive, catalogWorks));
  if (catalogWorks) {
    for (const { setId, trouble } of await troubledSets(session).catch(() => [])) {
      checks.push({
        what: `set ${setId}`,
        level: 'trouble',
        finding: `is unfinished, but ${trouble.finding}`,
        advice: trouble.advice,
      });
    }
  }
  return checks;
}

function checkNode(): Check {
  const sqlite = new Database(':memory:');
  const version = sqlite.prepare('select sqlite_version()').pluck().get() as string;
  sqlite.close();
  const wrong = !isAtLeast(process.versions.node, oldestNode) || !isAtLeast(version, oldestSqlite);
  return {
    what: 'Node',
    level: wrong ? 'trouble' : 'ok',
    finding: `${process.version} on ${process.platform}-${process.arch}, SQLite ${version}`,
    advice: wrong
      ? `Use Node ${oldestNode} or newer, and SQLite ${oldestSqlite} or newer (\`npm ci\`).`
      : undefined,
  };
}

/** Archives are alike with either; only the speed differs. */
async function checkCompression(settings: Settings): Promise<Check> {
  const what = 'compression';
  if (settings.COMPRESSION === 'none') return { what, level: 'ok', finding: 'none, as COMPRESSION asks' };
  if (settings.COMPRESSION === 'zstd') return checkZstd(what, settings);
  if (settings.COMPRESSION_CODEC === 'zlib')
    return { what, level: 'ok', finding: "Node's zlib, as COMPRESSION_CODEC asks" };
  if ((await openLibdeflate()) !== undefined) return { what, level: 'ok', finding: 'libdeflate' };
  return {
    what,
    level: 'note',
    finding: `Node's zlib, at about twice the processor time of libdeflate (${whyNoAddon()})`,
    advice: 'Where a C compiler and the headers of Node are, `node scripts/build-native.mjs` builds it.',
  };
}

async function checkZstd(what: string, { COMPRESSION_CODEC: choice }: Settings): Promise<Check> {
  try {
    return { what, level: 'ok', finding: (await requireZstd(choice)).name };
  } catch (error) {
    const why = choice === 'auto' ? ` (${whyNoAddon()})` : '';
    return {
      what,
      level: 'trouble',
      finding: `${describeError(error)}${why}`,
      advice:
        'Set COMPRESSION=gzip, or `node scripts/build-native.mjs` where a C compiler and the headers of Node are.',
    };
  }
}

async function checkCatalog(settings: Settings): Promise<Check> {
  const what = 'catalog';
  try {
    const catalog = await openCatalog(settings.CATALOG_URL, settings.TAPEFLOW_DATA_DIR);
    try {
      const { sets } = await catalog
        .selectFrom('sets')
        .select((eb) => eb.fn.countAll<number>().as('sets'))
        .executeTakeFirstOrThrow();
      const database = new Database(settings.CATALOG_URL, { readonly: true });
      const verdict = database.pragma('quick_check(1)', { simple: true }) as string;
      database.close();
      if (verdict !== 'ok') {
        return {
          what,
          level: 'trouble',
          finding: `${settings.CATALOG_URL} is damaged: ${verdict}`,
          advice: 'See docs/recovery.md, "The catalog is lost".',
        };
      }
      return (
        (await checkWriteLock(catalog, settings)) ?? {
          what,
          level: 'ok',
          finding: `${settings.CATALOG_URL}, ${sets} sets`,
        }
      );
    } finally {
      await catalog.destroy();
    }
  } catch (error) {
    const advice = error instanceof TapeflowFailure ? error.advice : undefined;
    return {
      what,
      level: 'trouble',
      finding: error instanceof TapeflowFailure ? error.message : describeError(error),
      advice,
    };
  }
}

async function checkTemporal(session: Session): Promise<Check[]> {
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

async function checkWorkers(session: Session, role: string | undefined): Promise<Check[]> {
  const server = await findServer(session);
  if (server === undefined)
    return [{ what: 'Temporal', level: 'trouble', finding: 'no server runs', advice: 'Run `tapeflow up`.' }];
  try {
    return await queueChecks(server, session.settings, role);
  } finally {
    await server.close();
  }
}

async function checkDrive(session: Session, settings: DriveSettings, catalogWorks: boolean): Promise<Check> {
  const what = `drive ${settings.name}`;
  const where = `${settings.kind} ${settings.path}`;
  if (!catalogWorks) return { what, level: 'note', finding: `${where}: not looked at without a catalog` };
  const drive = openDrive(settings);
  try {
    const { row } = await identifyTape(drive, await session.catalog());
    const protection = await drive.writeProtection();
    const bad = protection !== undefined || row.state !== 'usable';
    return {
      what,
      level: bad ? 'trouble' : 'ok',
      finding: `${where}: tape ${row.name}, pool ${row.pool}, ${row.state}${row.reason === null ? '' : ` (${row.reason})`}, ${formatBytes(row.free)} of ${formatBytes(row.capacity)} free${protection === undefined ? '' : `; cannot be written: ${protection}`}`,
      advice: bad ? tapeAdvice(row) : undefined,
    };
  } catch (error) {
    if (error instanceof TapeflowFailure && settings.ours && error.details['reason'] === 'not_mounted') {
      return { what, level: 'note', finding: `${where}: is made and labelled at its first use` };
    }
    const failure = error instanceof TapeflowFailure ? error : undefined;
    return {
      what,
      level: 'trouble',
      finding: failure?.message ?? describeError(error),
      advice: failure?.advice,
    };
  }
}
