import path from 'node:path';
import type { Client, Connection, WorkflowHandle } from '@temporalio/client';
import { WorkflowNotFoundError } from '@temporalio/common';
import type { Command } from 'commander';
import { visible } from '../entry/byte-string.js';
import { mayWrite, openForReading } from '../catalog/open-for-reading.js';
import { openCatalog, shortInstallationId, type Catalog } from '../catalog/open-catalog.js';
import { TapeflowFailure, describeError } from '../config/failures.js';
import type { Settings } from '../config/settings.js';
import { settingsInForce } from '../config/settings-in-force.js';
import { replaceFormerHost } from '../embedded/former-host.js';
import { messageKey } from '../proof/key-file.js';
import { joinHost, takeLease, type Lease } from '../embedded/lease.js';
import {
  embeddedServer,
  identityOf,
  ownServer,
  unreachable,
  usesOwnServer,
  type TemporalTarget,
} from '../workers/server/temporal-target.js';
import { answerWithinMs } from '../workers/server/workflow-trouble.js';
import { backupWorkflowId } from '../workflows/messages.js';
import { sayAside } from './print/say.js';
import { queuesOf } from '../workflows/queues.js';

/** What one command works with: settings, how to print, and what it has to close at its end. */
export interface Session {
  settings: Settings;
  json: boolean;
  /** Prints a line of the command's result. */
  print(line: string): void;
  /** Prints one JSON object on a line, with `--json`. */
  emit(object: unknown): void;
  /** Tells something on stderr that is no result: a line for people, with `--json` an object with a `note`. */
  say(sentence: string): void;
  catalog(): Promise<Catalog>;
  /**
   * Replaces an embedded server and workers of an older version; before the catalog is brought up to date for this one.
   */
  settleHost(): Promise<void>;
  close(): Promise<void>;
}

/** The session of a command; `--json` may stand before or after it. */
export function openSession(command: Command, open = openForWork): Session {
  const { json } = command.optsWithGlobals<{ json?: boolean }>();
  const settings = settingsInForce();
  let catalog: Promise<Catalog> | undefined;
  let settled: Promise<void> | undefined;
  const say = (sentence: string) => sayAside(sentence, json === true);
  const settleHost = () => (settled ??= replaceFormerHost(settings, say));
  return {
    settings,
    json: json === true,
    // Names of sources, tapes and folders may hold what a terminal would obey.
    print: (line) => void process.stdout.write(`${visible(line)}\n`),
    emit: (object) => void process.stdout.write(`${JSON.stringify(object)}\n`),
    say,
    settleHost,
    catalog: () => (catalog ??= open(settings, settleHost)),
    async close() {
      await (await catalog)?.destroy();
    },
  };
}

type Open = (settings: Settings, settleHost: () => Promise<void>) => Promise<Catalog>;

const openForWork: Open = (settings, settleHost) =>
  settleHost().then(() => openCatalog(settings.CATALOG_URL, settings.TAPEFLOW_DATA_DIR));

/** Writes nothing; a catalog of an older version is opened for work, where its user may. */
const openToRead: Open = (settings, settleHost) =>
  openForReading(settings.CATALOG_URL, settings.TAPEFLOW_DATA_DIR, () => openForWork(settings, settleHost));

/** Runs a command that only reads the catalog: whoever may read its files can run it. */
export async function inReadingSession(
  command: Command,
  run: (session: Session) => Promise<void>,
): Promise<void> {
  await inSession(command, run, openToRead);
}

/** The same for one that also writes, where its user may. */
export async function inModestSession(
  command: Command,
  run: (session: Session) => Promise<void>,
): Promise<void> {
  await inSession(command, run, (settings, settleHost) =>
    (mayWrite(settings.CATALOG_URL) ? openForWork : openToRead)(settings, settleHost),
  );
}

/** Runs the work of a command in a session, which is closed at the end. */
export async function inSession(
  command: Command,
  run: (session: Session) => Promise<void>,
  open?: Open,
): Promise<void> {
  const session = openSession(command, open);
  try {
    await run(session);
  } finally {
    await session.close();
  }
}

/** A path as the user gave it: relative to where they stand, also under `npm run`, which changes the folder. */
export function userPath(given: string): string {
  return path.resolve(process.env['INIT_CWD'] ?? process.cwd(), given);
}

/** A connection to Temporal, with the lease that keeps the embedded server alive. */
export interface Server {
  target: TemporalTarget;
  /** Short id of this installation: it is in the name of everything of ours on the server. */
  installation: string;
  /** True where workers look after what the server does not work on any more: `LOOK_AFTER_SECONDS` is not 0. */
  isLookedAfter: boolean;
  client: Client;
  lease: Lease | undefined;
  close(): Promise<void>;
}

/** Connects to the own server, or to the embedded one, which is started when it does not run. */
export async function connectServer(session: Session): Promise<Server> {
  const { settings } = session;
  if (usesOwnServer(settings, process.env))
    return connect(session, ownServer(settings, process.env), undefined);
  await session.settleHost();
  const lease = await takeLease(settings, (sentence) => session.say(sentence));
  return connect(session, embeddedServer(lease.host.address), lease);
}

/** The same, but never starts a server: undefined when the embedded one does not run. */
export async function findServer(session: Session): Promise<Server | undefined> {
  const { settings } = session;
  if (usesOwnServer(settings, process.env))
    return connect(session, ownServer(settings, process.env), undefined);
  await session.settleHost();
  const lease = await joinHost(settings);
  return lease === undefined ? undefined : connect(session, embeddedServer(lease.host.address), lease);
}

async function connect(session: Session, target: TemporalTarget, lease: Lease | undefined): Promise<Server> {
  // Loaded here, since it takes longer than what a command does that needs no server.
  const temporal = await import('@temporalio/client');
  const { provingClient } = await import('../workers/server/proving-client.js');
  let installation: string;
  let key: string;
  let connection: Connection;
  try {
    key = messageKey(session.settings.TAPEFLOW_DATA_DIR);
    installation = await shortInstallationId(await session.catalog(), session.settings);
  } catch (error) {
    await lease?.release();
    throw error;
  }
  try {
    connection = await temporal.Connection.connect(target.connection);
  } catch (error) {
    await lease?.release();
    throw unreachable(target, error);
  }
  const identity = identityOf(installation, 'command');
  const client = provingClient(key, { connection, namespace: target.namespace, identity });
  return {
    target,
    installation,
    isLookedAfter: session.settings.LOOK_AFTER_SECONDS > 0,
    client,
    lease,
    async close() {
      await connection.close();
      if (lease !== undefined) await untilStopped(session, lease.release());
    },
  };
}

/** Milliseconds after which a person is told why server and workers take so long to end. */
const slowStopMs = 5000;

/**
 * Waits until server and workers have stopped. A worker that hangs in a drive takes its time, and a person is told so.
 */
export async function untilStopped(session: Session, stopped: Promise<void>): Promise<void> {
  const timer = setTimeout(() => {
    session.say(
      'The workers are still ending: a drive or a disk may not answer. They are given half a minute; what hangs then ends when it answers.',
    );
  }, slowStopMs);
  try {
    await stopped;
  } finally {
    clearTimeout(timer);
  }
}

/** The handle of a set's workflow. */
export function setHandle(server: Server, setId: string): WorkflowHandle {
  return server.client.workflow.getHandle(backupWorkflowId(setId, server.installation));
}

/** True when the set's workflow is open on the server. Throws `ServerFailed` when it does not answer. */
export async function isRunning(server: Server, setId: string): Promise<boolean> {
  try {
    const described = await server.client.withDeadline(Date.now() + answerWithinMs, () =>
      setHandle(server, setId).describe(),
    );
    // On another queue it is somebody else's, which a start ends.
    return (
      described.status.name === 'RUNNING' && described.taskQueue === queuesOf(server.installation).archive
    );
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false;
    throw new TapeflowFailure(
      'ServerFailed',
      `The Temporal server at ${server.target.address} failed: ${describeError(error)}.`,
      {
        cause: error,
      },
    );
  }
}
