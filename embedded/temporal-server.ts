import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, openSync, closeSync, readFileSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { english } from '../messages/sentence.js';
import { makePrivateFolder, makeReadableFile, makeReadableFolders } from '../config/shared-group.js';
import { TapeflowFailure, describeError } from '../config/failures.js';
import { freePort } from './free-port.js';
import { namespaceAnswers } from './namespace-answers.js';

export interface ServerPorts {
  server: number;
  ui: number;
}

export interface RunningServer {
  child: ChildProcess;
  address: string;
  ui: string;
}

/** Milliseconds that a server has to answer after its start; a loaded machine takes long to map 100 MB. */
const startTimeoutMs = 60_000;
/** Milliseconds between two looks whether it does. */
const lookEveryMs = 30;

/**
 * Flags of the dev server. WAL and NORMAL: 26 → 10 ms of CPU for each group, and it survives kill -9 (measured). One
 * partition: only then are priorities strict. Polls of the transfer queue: by default 20 per second, so that each
 * workflow or activity task waited up to 50 ms, and the drive twice that between archives (measured); now it polls only
 * when there is something. News: no calls to the outside.
 */
function serverArguments(database: string, ports: ServerPorts): string[] {
  const attributes = [
    'TapeflowSet=Keyword',
    'TapeflowSource=KeywordList',
    'TapeflowPool=Keyword',
    'TapeflowDrive=Keyword',
    'TapeflowPhase=Keyword',
    'TapeflowInstallation=Keyword',
  ];
  return [
    'server',
    'start-dev',
    ...['--db-filename', database],
    ...['--ip', '127.0.0.1', '--port', String(ports.server), '--ui-port', String(ports.ui)],
    ...['--ui-disable-news-fetch', '--log-level', 'warn'],
    ...['--sqlite-pragma', 'journal_mode=WAL', '--sqlite-pragma', 'synchronous=NORMAL'],
    ...['--dynamic-config-value', 'matching.numTaskqueueReadPartitions=1'],
    ...['--dynamic-config-value', 'matching.numTaskqueueWritePartitions=1'],
    ...['--dynamic-config-value', 'history.transferProcessorMaxPollRPS=1000'],
    ...attributes.flatMap((attribute) => ['--search-attribute', attribute]),
  ];
}

/** File of the embedded server's database. */
export function serverDatabase(dataDir: string): string {
  return path.join(dataDir, 'temporal', 'temporal.db');
}

/** `host:port` where the server listens. */
export function serverAddress(ports: ServerPorts): string {
  return `127.0.0.1:${ports.server}`;
}

/** Free ports on 127.0.0.1; the previous ones if still free, so that bookmarks of the UI keep working. */
export async function choosePorts(dataDir: string): Promise<ServerPorts> {
  const file = path.join(dataDir, 'temporal', 'ports.json');
  let ports: ServerPorts | undefined;
  if (existsSync(file)) {
    const kept = JSON.parse(readFileSync(file, 'utf8')) as ServerPorts;
    if ((await isFree(kept.server)) && (await isFree(kept.ui))) ports = kept;
  }
  ports ??= { server: await freePort(), ui: await freePort() };
  makePrivateFolder(path.dirname(file));
  writeFileSync(file, JSON.stringify(ports), { mode: 0o600 });
  return ports;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = net.createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}

/**
 * Starts the server and waits until it answers. Its output goes to a log in the data folder.
 * @param signal aborts the start; nothing is left running then.
 */
export async function startServer(
  cli: string,
  dataDir: string,
  ports: ServerPorts,
  signal?: AbortSignal,
): Promise<RunningServer> {
  const database = serverDatabase(dataDir);
  const logFile = path.join(dataDir, 'logs', 'temporal-server.log');
  makePrivateFolder(path.dirname(database));
  makeReadableFolders(path.dirname(logFile));
  makeReadableFile(logFile);
  const log = openSync(logFile, 'a');
  // In its own session: a Ctrl-C in the terminal must reach it after the workers, through the host.
  const child = spawn(cli, serverArguments(database, ports), { stdio: ['ignore', log, log], detached: true });
  closeSync(log);
  const address = serverAddress(ports);
  let failed: string | undefined;
  child.once('error', (error) => (failed = describeError(error)));
  child.once(
    'exit',
    (code, signal) =>
      (failed =
        signal === null ? english`it ended with exit code ${code ?? 0}` : english`it ended with ${signal}`),
  );
  const deadline = performance.now() + startTimeoutMs;
  const isWanted = () => signal?.aborted !== true;
  while (failed === undefined && isWanted() && performance.now() < deadline) {
    if ((await namespaceAnswers(ports.server, 'default')) && isWanted())
      return { child, address, ui: `http://127.0.0.1:${ports.ui}` };
    await sleep(lookEveryMs);
  }
  child.kill('SIGKILL');
  throw new TapeflowFailure(
    'ServerNotStarted',
    english`The embedded Temporal server did not start: ${failed ?? english`no answer in time`}.`,
    {
      advice: english`See ${logFile}.`,
    },
  );
}

/** Stops a server that a killed host left behind; only one whose command line names our database. */
export async function stopOrphanServer(pid: number, dataDir: string): Promise<boolean> {
  const commandLine = readCommandLine(pid);
  if (commandLine?.includes(serverDatabase(dataDir)) !== true) return false;
  process.kill(pid, 'SIGTERM');
  for (let waited = 0; isAlive(pid); waited += 1) {
    if (waited === 50) process.kill(pid, 'SIGKILL');
    await sleep(100);
  }
  return true;
}

function readCommandLine(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return undefined;
  }
}

/** True while a process with that id exists and is not a zombie. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return true;
  }
}
