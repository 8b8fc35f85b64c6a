import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { english } from '../messages/sentence.js';
import { shown } from '../messages/shown.js';
import { TapeflowFailure, describeError } from '../config/failures.js';
import { projectDir } from '../config/project-dir.js';
import type { Settings } from '../config/settings/settings.js';
import { hostHolder, readHostFile, type HostFile } from './host-file.js';
import { isAlive } from './temporal-server.js';

/** What a host reports about its workers. */
export interface WorkerReport {
  name: string;
  ready: boolean;
  trouble?: string | undefined;
}

/** A client's lease on the host: the embedded server and the workers run as long as one is held. */
export interface Lease {
  host: HostFile;
  workers(): WorkerReport[];
  /** Whether server and workers go on when this client leaves: for good, or for another client. */
  stays(): boolean;
  /** Releases the host; resolves when it has stopped, if this was its last client and this one started it. */
  release(): Promise<void>;
  /** Makes the host keep running after its last client. */
  stay(): Promise<void>;
  /** Registers a listener for a lost connection, for example because the host was killed. */
  onLost(listener: () => void): void;
}

/** What a host tells the command that started it. */
export interface HostMessage {
  say?: string;
  ready?: true;
  /** Another host is already running. */
  runs?: true;
  failed?: { code: string; sentence: string };
}

/** Milliseconds for the first start: it may download the Temporal CLI. */
const startTimeoutMs = 15 * 60_000;

/** Takes a lease on the running host, or starts one. Two simultaneous commands get the same host. */
export async function takeLease(settings: Settings, say: (sentence: string) => void): Promise<Lease> {
  const deadline = performance.now() + startTimeoutMs;
  while (performance.now() < deadline) {
    const running = readHostFile(settings.TAPEFLOW_DATA_DIR);
    const held = running === undefined ? undefined : await hold(running);
    if (held !== undefined && running !== undefined) return leaseOf(running, held, undefined);
    const child = await spawnHost(settings, say);
    if (child === undefined) {
      // Another command is just starting the host, or it is just stopping.
      await sleep(200);
      continue;
    }
    const started = readHostFile(settings.TAPEFLOW_DATA_DIR);
    const socket = started === undefined ? undefined : await hold(started);
    if (started !== undefined && socket !== undefined) {
      child.disconnect();
      child.unref();
      return leaseOf(started, socket, child);
    }
  }
  throw new TapeflowFailure(
    'HostNotStarted',
    english`The embedded server and its workers did not start in time.`,
    {
      advice: english`See the logs in ${path.join(settings.TAPEFLOW_DATA_DIR, 'logs')}.`,
    },
  );
}

/** A lease on a running host; undefined when there is none. */
export async function joinHost(settings: Settings): Promise<Lease | undefined> {
  const running = readHostFile(settings.TAPEFLOW_DATA_DIR);
  const held = running === undefined ? undefined : await hold(running);
  return held === undefined || running === undefined ? undefined : leaseOf(running, held, undefined);
}

/**
 * The same, once a host that is just starting takes clients, or one that is stopping is gone.
 *
 * @param waits is told who is waited for, if that has to be.
 */
export async function joinSettledHost(
  settings: Settings,
  waits: (holder: string) => void,
): Promise<Lease | undefined> {
  const dataDir = settings.TAPEFLOW_DATA_DIR;
  for (let looks = 0; ; looks += 1) {
    const lease = await joinHost(settings);
    if (lease !== undefined) return lease;
    const holder = hostHolder(dataDir);
    if (holder === undefined) return undefined;
    if (looks === 0) waits(holder);
    await sleep(200);
  }
}

/** Starts a host as a separate process; undefined when there is one already. Resolves when it is ready. */
function spawnHost(settings: Settings, say: (sentence: string) => void): Promise<ChildProcess | undefined> {
  const script = path.join(projectDir, 'bin', 'tapeflow.cjs');
  const child = fork(script, ['embedded-host'], {
    detached: true,
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  return new Promise((resolve, reject) => {
    child.once('error', (error) => reject(error));
    child.once('exit', (code) => {
      reject(
        new TapeflowFailure(
          'HostNotStarted',
          english`The process for server and workers ended with exit code ${String(code)}.`,
          {
            advice: english`See ${path.join(settings.TAPEFLOW_DATA_DIR, 'logs', 'host.log')}.`,
          },
        ),
      );
    });
    child.on('message', (message: HostMessage) => {
      if (message.say !== undefined) say(shown(message.say));
      if (message.ready === true) resolve(child);
      if (message.runs === true) resolve(undefined);
      if (message.failed !== undefined)
        reject(new TapeflowFailure(message.failed.code, message.failed.sentence));
    });
  });
}

/** Connects to a host's control port; undefined when it does not answer because its file is left over from a crash. */
function hold(host: HostFile): Promise<net.Socket | undefined> {
  return new Promise((resolve) => {
    const socket = net.connect(host.controlPort, '127.0.0.1');
    socket.setEncoding('utf8');
    socket.once('error', () => resolve(undefined));
    socket.once('close', () => resolve(undefined));
    // A stopping host closes at once; only its first report shows that the lease is held.
    socket.once('data', (text: string) => {
      socket.unshift(text);
      resolve(socket);
    });
    socket.once('connect', () => socket.write(`${host.token} hold\n`));
  });
}

function leaseOf(host: HostFile, socket: net.Socket, child: ChildProcess | undefined): Lease {
  let workers: WorkerReport[] = [];
  let said = '';
  let released = false;
  let stays = host.sticky;
  /** What the host has answered to `leave`. */
  let stops = true;
  socket.removeAllListeners('close');
  socket.on('error', () => undefined);
  socket.on('data', (text: string) => {
    const lines = (said + text).split('\n');
    said = lines.pop() ?? '';
    for (const line of lines) {
      const report = JSON.parse(line) as { workers?: WorkerReport[]; stays?: boolean; stops?: boolean };
      if (report.workers !== undefined) workers = report.workers;
      stays = report.stays ?? stays;
      stops = report.stops ?? stops;
    }
  });
  const gone =
    child === undefined
      ? Promise.resolve()
      : new Promise<void>((resolve) => child.once('exit', () => resolve()));
  return {
    host,
    workers: () => workers,
    stays: () => stays,
    async release() {
      if (released) return;
      released = true;
      if (child === undefined) {
        socket.destroy();
        return;
      }
      const answered = socket.closed ? Promise.resolve() : once(socket, 'close').catch(() => undefined);
      socket.write(`${host.token} leave\n`);
      await answered;
      // Another client may hold it, or have made it stay.
      if (!stops) return;
      child.ref();
      await gone;
    },
    async stay() {
      await command(host, 'stay');
      stays = true;
    },
    onLost(listener) {
      socket.once('close', () => {
        if (!released) listener();
      });
    },
  };
}

/** Shuts down a host with its workers and its server; resolves when its process is gone. */
export async function stopHost(lease: Lease): Promise<void> {
  await command(lease.host, 'stop');
  await lease.release();
  while (isAlive(lease.host.pid)) await sleep(100);
}

/** Sends one command to a host and waits for its answer to `stay`, or for its exit. Throws when it does not obey. */
function command(host: HostFile, verb: 'stay' | 'stop'): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(host.controlPort, '127.0.0.1');
    let obeyed = verb === 'stop';
    socket.once('error', (error) => reject(noHost(verb, error)));
    socket.once('connect', () => socket.write(`${host.token} ${verb}\n`));
    socket.once('data', () => {
      obeyed = true;
      socket.end();
    });
    socket.once('close', () => (obeyed ? resolve() : reject(noHost(verb))));
  });
}

function noHost(verb: 'stay' | 'stop', cause?: Error): TapeflowFailure {
  if (verb === 'stop')
    return new TapeflowFailure('NoHost', english`The host does not answer: ${describeError(cause)}.`, {
      cause,
    });
  return new TapeflowFailure('HostStops', english`Server and workers are being stopped, and do not stay.`, {
    advice: english`What has begun goes on with the next \`tapeflow up\` or \`tapeflow backup\`.`,
    cause,
  });
}
