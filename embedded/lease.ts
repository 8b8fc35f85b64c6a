import { fork, type ChildProcess } from 'node:child_process';
import net from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { TapeflowFailure, describeError } from '../config/failures.js';
import type { Settings } from '../config/settings.js';
import { readHostFile, type HostFile } from './host-file.js';
import { isAlive } from './temporal-server.js';

/** What a host says of its workers. */
export interface WorkerReport {
  name: string;
  ready: boolean;
  trouble?: string | undefined;
}

/** A client's hold on the host: the embedded server and the workers run as long as one is held. */
export interface Lease {
  host: HostFile;
  workers(): WorkerReport[];
  /** Lets the host go; resolves when it has stopped, if this was its last client and it was started by this one. */
  release(): Promise<void>;
  /** Makes the host stay when its last client has gone. */
  stay(): Promise<void>;
  /** Called when the connection is lost, for example because the host was killed. */
  onLost(listener: () => void): void;
}

/** What a host that was started by a command tells it. */
export interface HostMessage {
  say?: string;
  ready?: true;
  /** Another one runs already. */
  runs?: true;
  failed?: { code: string; sentence: string };
}

/** Milliseconds for the first start: it may download the Temporal CLI. */
const startTimeoutMs = 15 * 60_000;

/** Takes a lease on the host that runs, or starts one. Two commands at once get the same. */
export async function takeLease(settings: Settings, say: (sentence: string) => void): Promise<Lease> {
  const deadline = performance.now() + startTimeoutMs;
  while (performance.now() < deadline) {
    const running = readHostFile(settings.TAPEFLOW_DATA_DIR);
    const held = running === undefined ? undefined : await hold(running);
    if (held !== undefined && running !== undefined) return leaseOf(running, held, undefined);
    const child = await spawnHost(settings, say);
    if (child === undefined) {
      // Another command is starting the host at this moment, or it is just stopping.
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
  throw new TapeflowFailure('HostNotStarted', 'The embedded server and its workers did not start in time.', {
    advice: `See the logs in ${path.join(settings.TAPEFLOW_DATA_DIR, 'logs')}.`,
  });
}

/** A lease on a host that runs already; undefined when none does. */
export async function joinHost(settings: Settings): Promise<Lease | undefined> {
  const running = readHostFile(settings.TAPEFLOW_DATA_DIR);
  const held = running === undefined ? undefined : await hold(running);
  return held === undefined || running === undefined ? undefined : leaseOf(running, held, undefined);
}

/** Starts a host as a process of its own; undefined when there is one already. It says when it is ready. */
function spawnHost(settings: Settings, say: (sentence: string) => void): Promise<ChildProcess | undefined> {
  const script = path.join(settings.projectDir, 'bin', 'tapeflow.cjs');
  const child = fork(script, ['host'], { detached: true, stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
  return new Promise((resolve, reject) => {
    child.once('error', (error) => reject(error));
    child.once('exit', (code) => {
      reject(
        new TapeflowFailure(
          'HostNotStarted',
          `The process for server and workers ended with exit code ${code}.`,
          {
            advice: `See ${path.join(settings.TAPEFLOW_DATA_DIR, 'logs', 'host.log')}.`,
          },
        ),
      );
    });
    child.on('message', (message: HostMessage) => {
      if (message.say !== undefined) say(message.say);
      if (message.ready === true) resolve(child);
      if (message.runs === true) resolve(undefined);
      if (message.failed !== undefined)
        reject(new TapeflowFailure(message.failed.code, message.failed.sentence));
    });
  });
}

/** Connects to a host's control port; undefined when it does not answer: its file is left from a crash. */
function hold(host: HostFile): Promise<net.Socket | undefined> {
  return new Promise((resolve) => {
    const socket = net.connect(host.controlPort, '127.0.0.1');
    socket.setEncoding('utf8');
    socket.once('error', () => resolve(undefined));
    socket.once('close', () => resolve(undefined));
    // A host that is stopping closes at once; only its first report shows that the lease is held.
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
  socket.removeAllListeners('close');
  socket.on('error', () => undefined);
  socket.on('data', (text: string) => {
    const lines = (said + text).split('\n');
    said = lines.pop() ?? '';
    for (const line of lines) {
      const report = JSON.parse(line) as { workers?: WorkerReport[] };
      if (report.workers !== undefined) workers = report.workers;
    }
  });
  const gone =
    child === undefined
      ? Promise.resolve()
      : new Promise<void>((resolve) => child.once('exit', () => resolve()));
  return {
    host,
    workers: () => workers,
    async release() {
      released = true;
      socket.end();
      socket.destroy();
      if (child !== undefined && host.sticky) return;
      child?.ref();
      await gone;
    },
    async stay() {
      host.sticky = true;
      await command(host, 'stay');
    },
    onLost(listener) {
      socket.once('close', () => {
        if (!released) listener();
      });
    },
  };
}

/** Ends a host in order, with its workers and its server; resolves when its process has gone. */
export async function stopHost(lease: Lease): Promise<void> {
  await command(lease.host, 'stop');
  await lease.release();
  while (isAlive(lease.host.pid)) await sleep(100);
}

/** Sends one command to a host and waits for its answer or its end. */
function command(host: HostFile, verb: 'stay' | 'stop'): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(host.controlPort, '127.0.0.1');
    socket.once('error', (error) =>
      reject(new TapeflowFailure('NoHost', `The host does not answer: ${describeError(error)}.`)),
    );
    socket.once('connect', () => socket.write(`${host.token} ${verb}\n`));
    socket.once('data', () => socket.end());
    socket.once('close', () => resolve());
  });
}
