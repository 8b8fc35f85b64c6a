import { randomUUID } from 'node:crypto';
import { TimeoutFailure } from '@temporalio/common';
import { endSteps } from '../catalog/server/claimed-starts.js';
import type { LockHolder } from '../disk/exclusive-lock.js';
import { TapeflowFailure, describeError } from '../config/failures.js';
import { driveNamed } from '../config/settings/drives.js';
import { queryDrive, ignoreUnlessSilent } from '../tape/drives/query-drive.js';
import { lockDrive, type DriveLock } from '../tape/drives/drive-lock.js';
import type { Drive } from '../tape/drives/drive.js';
import { openDrive } from '../tape/drives/open-drive.js';
import { queuesOf } from '../workflows/queues.js';
import { summaryText } from '../workflows/server-limits.js';
import type { Session } from './session.js';
import { interruptedCode, onInterrupt } from './follow/interrupt.js';
import { findServer, thenClose, withServer, type Server } from './server.js';
import { english } from '../messages/sentence.js';
import { t } from '../messages/shown.js';

/** A step that needs a whole drive, with two ways of doing it. */
export interface DriveStep<Result> {
  /** The holder shown to others while the drive is locked: `tape label`. */
  role: string;
  here(drive: Drive, lock: DriveLock): Promise<Result>;
  /**
   * The workflow that does the same in the drive worker's slot; its first argument is the drive's name, followed by
   * these.
   */
  workflow: string;
  args: unknown[];
  summary: string;
  /** Failure code when the worker refuses. */
  refused: string;
}

/**
 * Runs a step in this process if the drive is free, or else in the slot of the worker of this installation that holds
 * it, or that is on another host.
 */
export async function runInDrive<Result>(
  session: Session,
  driveName: string,
  step: DriveStep<Result>,
): Promise<Result> {
  const driveSettings = driveNamed(await session.allDrives(), driveName);
  const { host } = driveSettings;
  if (host !== undefined) {
    session.say(
      t`The worker of drive ${driveName} on host ${host} does it, as soon as it is not writing or reading.`,
    );
    return withServer(session, (server) => inItsWorker(session, server, driveName, step));
  }
  let lock: DriveLock;
  try {
    lock = lockDrive(session.settings, driveSettings, step.role);
  } catch (error) {
    if (!(error instanceof TapeflowFailure) || !isHeldByOurs(session, error)) throw error;
    const server = await findServer(session);
    if (server === undefined) throw error;
    session.say(t`The worker of drive ${driveName} does it, as soon as it is not writing or reading.`);
    return thenClose(server, () => inItsWorker(session, server, driveName, step));
  }
  try {
    // A hanging drive would block this command too, and stay locked.
    await queryDrive(session.settings, driveSettings, (drive) => drive.medium()).catch(ignoreUnlessSilent);
    return await step.here(openDrive(driveSettings), lock);
  } finally {
    lock.release();
  }
}

/** Has the drive's worker run the step, and waits for it. */
async function inItsWorker<Result>(
  session: Session,
  server: Server,
  driveName: string,
  { role, workflow, args, summary, refused }: DriveStep<Result>,
): Promise<Result> {
  const workflowId = `${role.replaceAll(' ', '-')}-${randomUUID().slice(0, 8)}-${server.installation}`;
  const interrupt = onInterrupt();
  try {
    const result = server.client.workflow.execute(workflow, {
      workflowId,
      taskQueue: queuesOf(server.installation).archive,
      args: [driveName, ...args],
      staticSummary: summaryText(summary),
    });
    await Promise.race([result, interrupt.promise]);
    if (interrupt.happened) {
      result.catch(() => undefined);
      throw await interrupted(session, server, { workflowId, role, driveName });
    }
    return (await result) as Result;
  } catch (failure) {
    if (interrupt.happened && failure instanceof TapeflowFailure) throw failure;
    let cause: unknown = failure;
    while (cause instanceof Error && cause.cause !== undefined) cause = cause.cause;
    if (cause instanceof TimeoutFailure)
      throw new TapeflowFailure(
        refused,
        english`The worker of drive ${driveName} has ended in the middle of \`${role}\`.`,
        { cause: failure, advice: english`Run the same command again: it goes on where it was.` },
      );
    throw new TapeflowFailure(refused, asSentence(describeError(cause)), { cause: failure });
  } finally {
    interrupt.end();
    // From now on nobody waits for it: a step that somebody held back must not run unnoticed later.
    await endSteps(await session.catalog(), workflowId).catch(() => undefined);
  }
}

/** Calls a step off that the user waits for no more, and says whether it had begun: then it is left to its end. */
async function interrupted(
  session: Session,
  server: Server,
  { workflowId, role, driveName }: { workflowId: string; role: string; driveName: string },
): Promise<TapeflowFailure> {
  if (await endSteps(await session.catalog(), workflowId))
    return new TapeflowFailure(
      interruptedCode,
      english`\`${role}\` goes on: the worker of drive ${driveName} has begun it.`,
    );
  await server.client.workflow
    .getHandle(workflowId)
    .terminate('tapeflow: interrupted by a command')
    // It may not have got to the server; without the command's steps it does nothing.
    .catch(() => undefined);
  return new TapeflowFailure(
    interruptedCode,
    english`\`${role}\` is interrupted: the worker of drive ${driveName} had not begun it, and nothing was done.`,
  );
}

/** A failure that came through the server has lost its final full stop. */
function asSentence(text: string): string {
  return /[.?!]$/.test(text) ? text : `${text}.`;
}

/**
 * True when the drive is held by a process that serves this installation's steps. Another command will end on its own,
 * and a worker of another data folder would never receive the step.
 */
function isHeldByOurs({ settings }: Session, error: TapeflowFailure): boolean {
  if (error.code !== 'DriveBusy') return false;
  const holder = error.details['holder'] as LockHolder | undefined;
  if (holder === undefined) return true;
  return holder.role === 'tape worker' && holder.dataDir === settings.TAPEFLOW_DATA_DIR;
}
