import { randomUUID } from 'node:crypto';
import { Connection } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import { readHostFile } from '../../embedded/host-file.js';
import { proofHeader } from '../../proof/message-proof.js';
import { scheduleId } from '../../workers/starts/schedule-id.js';
import { backupWorkflowId } from '../../workflows/workflow-ids.js';
import { queuesOf } from '../../workflows/queues.js';
import type { OtherUser, UserCase } from './other-user.js';
import { Stranger } from './stranger.js';
import { waitFor } from './wait-for.js';

const namespace = 'default';
/** WORKFLOW_EXECUTION_STATUS_RUNNING of Temporal's API. */
const running = 1;
const noProof = /has no proof that it comes from this installation/;
const payloads = (...args: unknown[]) => ({
  payloads: args.map((arg) => defaultPayloadConverter.toPayload(arg)),
});

interface Header {
  fields?: Record<string, unknown> | null;
}

/** The port of the embedded server, as the other user reaches it, and as root does, who looks what came of it. */
class Port {
  private constructor(
    private readonly user: OtherUser,
    readonly stranger: Stranger,
    private readonly connection: Connection,
    /** A set that waits for a tape of another pool. */
    readonly victim: string,
  ) {}

  /** Opens the port for one case, and ends what was begun for it. */
  static async during(user: OtherUser, run: (port: Port) => Promise<string[]>): Promise<string[]> {
    const { installation, source } = user;
    const ends: (() => unknown)[] = [];
    const { setId } = await installation.json<{ setId: string }>([
      ...['backup', source, '--pool', 'other', '--new', '--detach'],
    ]);
    const address = readHostFile(installation.dataDir)?.address ?? '';
    const stranger = await Stranger.come({ after: (end) => void ends.push(end) }, address);
    const connection = await Connection.connect({ address });
    try {
      const port = new Port(user, stranger, connection, setId);
      await waitFor(() => port.state(setId) === 'waiting_for_tape', 'the set to wait');
      const wrong = await run(port);
      await waitFor(() => port.state(setId) === 'waiting_for_tape', 'the set to wait again');
      const { status } = await installation.json<{ status?: string }>(['cancel', setId]);
      return status === 'cancelled' ? wrong : [...wrong, `the set hears no \`cancel\`: ${status ?? ''}`];
    } finally {
      await connection.close();
      for (const end of ends) end();
    }
  }

  get queue(): string {
    return queuesOf(this.user.installation.shortId).archive;
  }

  workflowId(setId: string): string {
    return backupWorkflowId(setId, this.user.installation.shortId);
  }

  schedule(name: string): string {
    return scheduleId(name, this.user.installation.shortId);
  }

  state(setId: string): string | undefined {
    return this.user.installation.query<{ state: string }>('select state from sets where id = ?', setId)[0]
      ?.state;
  }

  sets(): number {
    return this.user.installation.query('select id from sets').length;
  }

  async start(type: string, workflowId: string, args: unknown[], header?: Header, on = this.queue) {
    const { runId } = await this.stranger.call('startWorkflowExecution', {
      ...{ namespace, workflowId, requestId: randomUUID(), workflowType: { name: type } },
      ...{ taskQueue: { name: on }, input: payloads(...args), ...(header && { header }) },
    });
    return runId ?? '';
  }

  async history(workflowId: string, runId?: string) {
    const execution = { workflowId, ...(runId === undefined ? {} : { runId }) };
    const { history } = await this.connection.workflowService.getWorkflowExecutionHistory({
      namespace,
      execution,
    });
    return history?.events ?? [];
  }

  /** What a run that was to be refused has done: sentences on what is not as it must be. */
  async refused(what: string, workflowId: string, runId?: string): Promise<string[]> {
    const failure = async () =>
      (await this.history(workflowId, runId)).at(-1)?.workflowExecutionFailedEventAttributes?.failure;
    await waitFor(failure, `${what} to be refused`);
    const text = JSON.stringify(await failure());
    const steps = (await this.history(workflowId, runId)).filter(
      ({ activityTaskScheduledEventAttributes: step }) =>
        // This one asks whether the proof was used before.
        step && step.activityType?.name !== 'claimStart',
    );
    return [
      ...(noProof.test(text) || /not due then|used before/.test(text) ? [] : [`${what} failed by ${text}`]),
      ...(steps.length === 0 ? [] : [`${what} has begun ${steps.length} steps`]),
    ];
  }

  async describe(workflowId: string) {
    return this.connection.workflowService.describeWorkflowExecution({
      namespace,
      execution: { workflowId },
    });
  }

  /** Waits until workers have taken the set up in a run that is not this one. */
  async takenUp(workflowId: string, before: string): Promise<void> {
    const again = async () => {
      const { workflowExecutionInfo: info } = await this.describe(workflowId);
      if (info === null || info === undefined || info.execution?.runId === before) return false;
      return Number(info.status) === running && info.taskQueue === this.queue;
    };
    await waitFor(again, 'the set to be taken up again');
  }

  /** Runs of scheduled backups whose ids begin so. */
  async runs(prefix: string) {
    const { executions } = await this.connection.workflowService.listWorkflowExecutions({
      namespace,
      query: `WorkflowType = 'scheduledBackup'`,
    });
    return (executions ?? [])
      .map(({ execution }) => execution)
      .filter((execution) => execution?.workflowId?.startsWith(prefix));
  }

  async scheduleAtServer(id: string) {
    return this.connection.workflowService.describeSchedule({ namespace, scheduleId: id });
  }
}

const starts: UserCase = {
  name: 'starts every kind of workflow at the port, with no proof, a made-up one, and one that was used',
  run: (user) =>
    Port.during(user, async (port) => {
      const options = { heartbeatSeconds: 5, retrySeconds: 1, tapeRetrySeconds: 1, retryAttempts: 3 };
      const id = 'restore-000001';
      const wanted: [string, unknown[]][] = [
        [
          'backupSet',
          [{ setId: port.victim, pool: 'x', drive: 'lto1', options, cursor: 0, scanned: false, retry: true }],
        ],
        ['scheduledBackup', [{ name: 'x' }]],
        ['scheduledReading', [{ name: 'x' }]],
        ['retrieveArchives', [{ id, kind: 'restore', drive: 'lto1', options }]],
        ['copyArchives', [{ id, drive: 'lto1', toDrive: 'lto1', options, syncBytes: 1 }]],
        ['labelLoadedTape', ['lto1', { name: 'MINE', pool: 'A', force: true }]],
        ['eraseLoadedTape', ['lto1', { name: 'A1', uuid: 'x', retentions: {} }]],
        ['readLoadedTape', ['lto1', { adopt: true }]],
      ];
      const wrong: string[] = [];
      const madeUp = payloads(`command ${'A'.repeat(43)} ${Date.now()} x`).payloads[0];
      for (const [type, args] of wanted)
        for (const header of [undefined, { fields: { [proofHeader]: madeUp } }]) {
          const workflowId = `mine-${randomUUID()}`;
          wrong.push(
            ...(await port.refused(type, workflowId, await port.start(type, workflowId, args, header))),
          );
        }
      // A start that was obeyed once: as it was, under another id, and for another set.
      const used = port.workflowId(user.setId);
      const first = (await port.history(used))[0]?.workflowExecutionStartedEventAttributes;
      const header = (first?.header ?? {}) as Header;
      const [input] = (first?.input?.payloads ?? []).map((one) =>
        defaultPayloadConverter.fromPayload<object>(one),
      );
      for (const [workflowId, args] of [
        [used, [input]],
        [`${used}-2`, [input]],
        [used, [{ ...input, setId: port.victim }]],
      ] as const) {
        const runId = await port.start('backupSet', workflowId, [...args], header);
        wrong.push(...(await port.refused('a used start', workflowId, runId)));
      }
      return wrong;
    }),
};

const orders: UserCase = {
  name: 'sends a set updates, a signal and a cancellation',
  run: (user) =>
    Port.during(user, async (port) => {
      const workflowId = port.workflowId(port.victim);
      const runOf = async () => (await port.describe(workflowId)).workflowExecutionInfo?.execution?.runId;
      const before = await runOf();
      const wrong: string[] = [];
      for (const name of ['pause', 'resume', 'cancel', 'retryFailed', 'tapeLoaded']) {
        const answer = await port.stranger.call('updateWorkflowExecution', {
          ...{ namespace, workflowExecution: { workflowId, runId: '' }, waitPolicy: { lifecycleStage: 3 } },
          request: { meta: { updateId: randomUUID() }, input: { name, args: payloads({ discard: true }) } },
        });
        if (!noProof.test(JSON.stringify(answer)))
          wrong.push(`${name} was answered ${JSON.stringify(answer)}`);
      }
      const workflowExecution = { workflowId };
      const signal = { namespace, workflowExecution, signalName: 'cancel', requestId: randomUUID() };
      await port.stranger.call('signalWorkflowExecution', signal);
      const cancellation = { namespace, workflowExecution, requestId: randomUUID() };
      await port.stranger.call('requestCancelWorkflowExecution', cancellation);
      await user.installation.run(['status', port.victim]);
      if (port.state(port.victim) !== 'waiting_for_tape') wrong.push(`it is ${port.state(port.victim)}`);
      if ((await runOf()) !== before) wrong.push('its run has ended');
      return wrong;
    }),
};

const schedules: UserCase = {
  name: 'triggers, copies and deletes schedules',
  run: (user) =>
    Port.during(user, async (port) => {
      const { installation, source } = user;
      await installation.run(['schedule', 'add', 'yearly', '--cron', '17 3 29 2 *', '--', 'backup', source]);
      const ours = port.schedule('yearly');
      const before = port.sets();
      const action = (await port.scheduleAtServer(ours)).schedule?.action?.startWorkflow;
      const startWorkflow = {
        ...{ workflowId: 'mine-copied', workflowType: { name: 'scheduledBackup' } },
        ...{ taskQueue: { name: port.queue }, input: payloads({ name: 'yearly' }) },
        header: { fields: action?.header?.fields },
      };
      const copied = { namespace, scheduleId: 'copied', requestId: randomUUID() };
      await port.stranger.call('createSchedule', {
        ...copied,
        schedule: { spec: {}, action: { startWorkflow } },
      });
      const wrong: string[] = [];
      for (const [id, prefix] of [
        [ours, 'scheduled-yearly-'],
        ['copied', 'mine-copied'],
      ] as const) {
        const patch = { triggerImmediately: {} };
        await port.stranger.call('patchSchedule', {
          ...{ namespace, scheduleId: id, patch, requestId: randomUUID() },
        });
        await waitFor(async () => (await port.runs(prefix)).length > 0, 'the run');
        const [run] = await port.runs(prefix);
        wrong.push(...(await port.refused(id, run?.workflowId ?? '', run?.runId ?? undefined)));
      }
      if (port.sets() !== before) wrong.push('a set was made');
      await port.stranger.call('deleteSchedule', { namespace, scheduleId: ours });
      const isThere = () =>
        port.scheduleAtServer(ours).then(
          () => true,
          () => false,
        );
      await waitFor(isThere, 'the server to be told of the schedule again');
      await installation.run(['schedule', 'remove', 'yearly']);
      return wrong;
    }),
};

/** The command by which a workflow worker has the server schedule a step. */
const scheduleActivityTask = 1;

const falseWorker: UserCase = {
  name: 'has the server schedule a step of ours, as a worker of workflows does',
  run: (user) =>
    Port.during(user, async (port) => {
      const [workflowId, taskQueue] = [`false-${randomUUID()}`, { name: `mine-${randomUUID()}` }];
      const runId = await port.start('x', workflowId, [], undefined, taskQueue.name);
      const { taskToken } = await port.stranger.call('pollWorkflowTaskQueue', { namespace, taskQueue });
      const scheduleActivityTaskCommandAttributes = {
        ...{ activityId: '2', activityType: { name: 'cancelSet' }, taskQueue: { name: port.queue } },
        ...{ input: payloads(port.victim, true), startToCloseTimeout: { seconds: 60 } },
        scheduleToCloseTimeout: { seconds: 600 },
      };
      await port.stranger.call('respondWorkflowTaskCompleted', {
        ...{ namespace, taskToken: Buffer.from(taskToken ?? '', 'base64') },
        commands: [{ commandType: scheduleActivityTask, scheduleActivityTaskCommandAttributes }],
      });
      const failure = async () =>
        (await port.history(workflowId, runId)).find((event) => event.activityTaskFailedEventAttributes);
      await waitFor(failure, 'the step to fail');
      const text = JSON.stringify(await failure());
      await port.stranger.call('terminateWorkflowExecution', {
        namespace,
        workflowExecution: { workflowId },
      });
      return noProof.test(text) ? [] : [`the step failed by ${text}`];
    }),
};

const answers: UserCase = {
  name: 'answers a step of a set in the place of its worker',
  run: (user) =>
    Port.during(user, async (port) => {
      const workflowId = port.workflowId(port.victim);
      const wrong: string[] = [];
      for (const method of ['respondActivityTaskCompletedById', 'respondActivityTaskFailedById'] as const) {
        const watching = async () => {
          const { pendingActivities: steps, workflowExecutionInfo: info } = await port.describe(workflowId);
          const step = steps?.find(({ activityType }) => activityType?.name === 'watchTape');
          return step && { runId: info?.execution?.runId ?? '', activityId: step.activityId };
        };
        await waitFor(watching, 'the set to watch its drive');
        const step = await watching();
        if (step === undefined) return [...wrong, 'the set watches no drive'];
        const failure = { message: 'broken', applicationFailureInfo: { type: 'x', nonRetryable: true } };
        await port.stranger.call(method, {
          ...{ namespace, workflowId, ...step, identity: 'somebody' },
          ...(method === 'respondActivityTaskCompletedById' ? { result: payloads(null) } : { failure }),
        });
        const end = await waitFor(
          async () =>
            (await port.history(workflowId, step.runId)).at(-1)?.workflowExecutionFailedEventAttributes,
          'the run that heard it to end',
        );
        if (!noProof.test(JSON.stringify(end))) wrong.push(`its run ended by ${JSON.stringify(end)}`);
        await port.takenUp(workflowId, step.runId);
      }
      return wrong;
    }),
};

const endings: UserCase = {
  name: 'ends the workflow of a set at the server, and puts one of their own in its place',
  run: (user) =>
    Port.during(user, async (port) => {
      const workflowId = port.workflowId(port.victim);
      const workflowExecution = { workflowId };
      await port.stranger.call('terminateWorkflowExecution', { namespace, workflowExecution });
      const theirs = await port.start('backupSet', workflowId, [{}], undefined, 'mine');
      await port.takenUp(workflowId, theirs);
      return [];
    }),
};

/** What another user tries at the server's port. */
export const portCases: readonly UserCase[] = [starts, orders, schedules, falseWorker, answers, endings];
