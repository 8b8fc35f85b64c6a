import type { Client, Connection, WorkflowHandle } from '@temporalio/client';
import { shortInstallationId } from '../catalog/installation.js';
import { TapeflowFailure, describeError } from '../config/failures.js';
import { installationKey } from '../catalog/hosts/installation-key.js';
import { readHostFile } from '../embedded/host-file.js';
import { joinHost, takeLease, type Lease } from '../embedded/lease.js';
import { isAlive } from '../embedded/temporal-server.js';
import { ownServer, usesOwnServer } from '../workers/server/own-server.js';
import { embeddedServer, identityOf, type TemporalTarget } from '../workers/server/temporal-target.js';
import { answerWithinMs } from '../workers/server/workflow-trouble.js';
import { backupWorkflowId } from '../workflows/workflow-ids.js';
import { queuesOf } from '../workflows/queues.js';
import type { Session } from './session.js';
import { english } from '../messages/sentence.js';
import { shown, t } from '../messages/shown.js';

/** A connection to Temporal, with the lease that keeps the embedded server alive. */
export interface Server {
  target: TemporalTarget;
  /** Short id of this installation, part of all our names on the server. */
  installation: string;
  /** True when workers resume what the server no longer runs: `LOOK_AFTER_SECONDS` is not 0. */
  isLookedAfter: boolean;
  client: Client;
  lease: Lease | undefined;
  close(): Promise<void>;
}

/** Connects to your own server, or to the embedded one, which is started if it is not running. */
export async function connectServer(session: Session): Promise<Server> {
  const { settings } = session;
  if (usesOwnServer(settings)) return connect(session, ownServer(settings, process.env), undefined);
  await session.settleHost();
  const lease = await takeLease(settings, (sentence) => session.say(shown(sentence)));
  return connect(session, embeddedServer(lease.host.address), lease);
}

/** The same, but never starts a server: undefined when the embedded one is not running. */
export async function findServer(session: Session): Promise<Server | undefined> {
  const { settings } = session;
  if (usesOwnServer(settings)) return connect(session, ownServer(settings, process.env), undefined);
  await session.settleHost();
  const lease = await joinHost(settings);
  return lease === undefined ? undefined : connect(session, embeddedServer(lease.host.address), lease);
}

/**
 * The server that runs now, for what only looks, however long: it holds no lease, so that the embedded one stops with
 * its last command all the same. Undefined when it is not running.
 */
export async function serverInSight(session: Session): Promise<Server | undefined> {
  const { settings } = session;
  if (usesOwnServer(settings)) return connect(session, ownServer(settings, process.env), undefined);
  const host = readHostFile(settings.TAPEFLOW_DATA_DIR);
  if (host === undefined || !isAlive(host.pid)) return undefined;
  return connect(session, embeddedServer(host.address), undefined);
}

/** Runs what needs a server: one is started where none runs. */
export async function withServer<Result>(
  session: Session,
  run: (server: Server) => Promise<Result>,
): Promise<Result> {
  return thenClose(await connectServer(session), run);
}

/** Runs what only a server that runs already has to do with; undefined where none does. */
export async function whereServerRuns<Result>(
  session: Session,
  run: (server: Server) => Promise<Result>,
): Promise<Result | undefined> {
  const server = await findServer(session);
  return server === undefined ? undefined : thenClose(server, run);
}

/** Runs something with a server, and lets that go. */
export async function thenClose<Result>(
  server: Server,
  run: (server: Server) => Promise<Result>,
): Promise<Result> {
  try {
    return await run(server);
  } finally {
    await server.close();
  }
}

/** Runs what asks the server itself: what fails there is told as the server's. */
export async function atServer<Result>(server: Server, run: () => Promise<Result>): Promise<Result> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof TapeflowFailure) throw error;
    throw new TapeflowFailure(
      'ServerFailed',
      english`The Temporal server at ${server.target.address} failed: ${describeError(error)}.`,
      { cause: error },
    );
  }
}

async function connect(session: Session, target: TemporalTarget, lease: Lease | undefined): Promise<Server> {
  const { provingClient } = await import('../workers/server/proving-client.js');
  let installation: string;
  let key: string;
  let connection: Connection;
  try {
    const catalog = await session.catalog();
    key = await installationKey(catalog, session.settings, false);
    installation = await shortInstallationId(catalog, session.settings);
  } catch (error) {
    await lease?.release();
    throw error;
  }
  try {
    connection = await openConnection(target);
  } catch (error) {
    await lease?.release();
    throw error;
  }
  try {
    if (!target.embedded) {
      const { requireNamespace } = await import('../workers/server/prepare-server.js');
      await requireNamespace(connection, target);
    }
  } catch (error) {
    await connection.close();
    throw error;
  }
  const identity = identityOf(installation, 'command', session.settings.TAPEFLOW_HOST);
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

/** Connects to a server; throws a failure that says why that is not possible. */
export async function openConnection(target: TemporalTarget): Promise<Connection> {
  // Loaded only here, since loading takes longer than most commands that need no server.
  const { connectClient } = await import('../workers/server/connect-client.js');
  try {
    return await connectClient(target.connection);
  } catch (error) {
    const { unreachable } = await import('../workers/server/connection-trouble.js');
    throw await unreachable(target, error);
  }
}

/** Milliseconds after which the user is told why server and workers take so long to stop. */
const slowStopMs = 5000;

/**
 * Waits until server and workers have stopped. If a worker hangs in a drive this takes a while, and the user is told
 * so.
 */
export async function untilStopped(session: Session, stopped: Promise<void>): Promise<void> {
  const timer = setTimeout(() => {
    session.say(
      t`The workers are still ending: a drive or a disk may not answer. They are given half a minute;
        what hangs then ends when it answers.`,
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
  return atServer(server, async () => {
    try {
      const described = await server.client.withDeadline(Date.now() + answerWithinMs, () =>
        setHandle(server, setId).describe(),
      );
      // On another queue it is somebody else's, which a start terminates.
      return (
        described.status.name === 'RUNNING' && described.taskQueue === queuesOf(server.installation).archive
      );
    } catch (error) {
      const { WorkflowNotFoundError } = await import('../workers/server/temporal-client.js');
      if (error instanceof WorkflowNotFoundError) return false;
      throw error;
    }
  });
}
