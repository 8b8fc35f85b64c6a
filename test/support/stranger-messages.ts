import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, type TestContext } from 'node:test';
import { defaultPayloadConverter } from '@temporalio/common';
import { proofHeader } from '../../proof/message-proof.js';
import { queuesOf } from '../../workflows/queues.js';
import type { LiveSets } from './live-sets.js';
import { Stranger } from './stranger.js';
import { waitFor } from './wait-for.js';

export const namespace = 'default';
/** The queue of the workflows of `LiveSets`. */
export const queue = queuesOf('live').archive;
/** What is said of a message without a proof. */
export const noProof = /has no proof that it comes from this installation/;

/** Arguments as the server has them. */
export function payloads(...args: unknown[]) {
  return { payloads: args.map((arg) => defaultPayloadConverter.toPayload(arg)) };
}

/** The header of a message with a proof. */
function header(text: string) {
  return { fields: { [proofHeader]: defaultPayloadConverter.toPayload(text) } };
}

/** The proof in the header of a message. */
export function proofIn(given: { fields?: Record<string, never> | null } | null | undefined): string {
  return defaultPayloadConverter.fromPayload(given?.fields?.[proofHeader] ?? assert.fail('it has no proof'));
}

/** What a stranger can send to the server of `LiveSets`, for all tests of a file; it comes with the first message. */
export function strangerOfFile(live: () => LiveSets) {
  const ends: (() => unknown)[] = [];
  let come: Promise<Stranger> | undefined;
  const stranger = () =>
    (come ??= Stranger.come({ after: (end) => void ends.push(end) }, live().server.target.address));
  after(() => ends.forEach((end) => end()));

  /** Starts a workflow as a stranger does; its run. */
  async function start(
    type: string,
    workflowId: string,
    args: unknown[],
    proof?: string,
    on = queue,
  ): Promise<string> {
    const { runId } = await (
      await stranger()
    ).call('startWorkflowExecution', {
      ...{ namespace, workflowId, requestId: randomUUID(), identity: 'somebody' },
      workflowType: { name: type },
      taskQueue: { name: on },
      input: payloads(...args),
      ...(proof === undefined ? {} : { header: header(proof) }),
    });
    return runId ?? '';
  }

  /** How a run has ended: the message of its failure. */
  async function endOf(workflowId: string, runId?: string): Promise<string> {
    const handle = live().alone.client.workflow.getHandle(workflowId, runId, { followRuns: false });
    return handle.result().then(
      () => 'it has come to a good end',
      (error: Error) => String(error.cause),
    );
  }

  /** The events of a run. */
  async function history(workflowId: string, runId?: string) {
    const { history } = await live().server.client.workflowService.getWorkflowExecutionHistory({
      namespace,
      execution: { workflowId, ...(runId === undefined ? {} : { runId }) },
    });
    return history?.events ?? [];
  }

  /** Updates a run as a stranger does. */
  async function update(
    workflowId: string,
    name: string,
    id: string,
    proof?: string,
    runId = '',
  ): Promise<unknown> {
    const answer = await (
      await stranger()
    ).call('updateWorkflowExecution', {
      ...{ namespace, workflowExecution: { workflowId, runId }, waitPolicy: { lifecycleStage: 3 } },
      request: {
        meta: { updateId: id, identity: 'somebody' },
        input: { name, args: payloads(), ...(proof === undefined ? {} : { header: header(proof) }) },
      },
    });
    return answer;
  }

  /** Messages of a kind that were refused so far. */
  const refusals = (kind: string) => live().alone.refused.filter((one) => one.kind === kind).length;

  /** A run of which our workers get no task: a false worker has them, and asks for the steps that the test tells it. */
  async function heldRun(t: TestContext) {
    const taskQueue = `mine-${randomUUID()}`;
    const workflowId = `false-${randomUUID()}`;
    const runId = await start('x', workflowId, [], undefined, taskQueue);
    t.after(() =>
      live()
        .alone.client.workflow.getHandle(workflowId)
        .terminate()
        .catch(() => undefined),
    );
    /** The ends of its steps: why each failed, or that it was done. */
    const ends = async () =>
      (await history(workflowId)).flatMap((event) => {
        if (event.activityTaskCompletedEventAttributes) return 'it was done';
        return event.activityTaskFailedEventAttributes?.failure?.message ?? [];
      });
    /** Asks for a step, always under the same id, and waits for its end. */
    async function ask(type: string, args: unknown[], proof?: string, runOn = queue): Promise<string> {
      const before = (await ends()).length;
      const one = await stranger();
      const { taskToken } = await one.call('pollWorkflowTaskQueue', {
        namespace,
        taskQueue: { name: taskQueue },
      });
      await one.call('respondWorkflowTaskCompleted', {
        ...{ namespace, taskToken: Buffer.from(taskToken ?? '', 'base64') },
        commands: [
          {
            // COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK
            commandType: 1,
            scheduleActivityTaskCommandAttributes: {
              ...{ activityId: '2', activityType: { name: type }, taskQueue: { name: runOn } },
              input: payloads(...args),
              ...{ startToCloseTimeout: { seconds: 60 }, scheduleToCloseTimeout: { seconds: 600 } },
              ...{ heartbeatTimeout: { seconds: 60 }, retryPolicy: { maximumAttempts: 1 } },
              ...(proof === undefined ? {} : { header: header(proof) }),
            },
          },
        ],
      });
      await waitFor(async () => (await ends()).length > before, 'the step to end');
      return (await ends()).at(-1) ?? '';
    }
    return { workflowId, runId, ask };
  }

  /** The first step of a run that a false worker has: how it ends. */
  async function falseWorker(t: TestContext, type: string, args: unknown[], proof: string | undefined) {
    return (await heldRun(t)).ask(type, args, proof);
  }

  return { stranger, start, endOf, history, update, refusals, heldRun, falseWorker };
}
