import type { TestContext } from 'node:test';
import type { Client } from '@temporalio/client';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { refusalSinks, stepChecks } from '../../workers/processes/check-steps.js';
import { provingClient } from '../../workers/server/proving-client.js';
import { bundledWorkflows } from '../../workers/processes/worker-process.js';
import { queuesOf, type Queues } from '../../workflows/queues.js';
import { temporalCli } from './installation.js';

/** Activities of a test's own, in place of the real ones; those that it does not give never come. */
type Activities = Record<string, (...args: never[]) => unknown>;

/** The key of these tests' installation. */
const testKey = 'ab'.repeat(32);
const attributes = [
  'Set=Keyword',
  'Source=KeywordList',
  'Pool=Keyword',
  'Drive=Keyword',
  'Phase=Keyword',
  'Installation=Keyword',
];

/**
 * The real workflows on a real server, with activities of the test's own: for what a workflow does when its steps
 * answer as they seldom do. One server for all tests of a file.
 */
export class WorkflowsAlone {
  readonly queues: Queues;
  /** Whose messages are obeyed; that of the environment is a stranger's. */
  readonly client: Client;
  /** What was refused, in its order. */
  readonly refused: { kind: string; what: string }[] = [];

  private constructor(
    readonly environment: TestWorkflowEnvironment,
    private readonly installation: string,
    private readonly key: string,
  ) {
    this.queues = queuesOf(installation);
    const { connection, namespace = 'default' } = environment;
    this.client = provingClient(key, { connection, namespace });
  }

  /** @param more arguments of the server. */
  static async start(
    after: (end: () => Promise<void>) => void,
    installation = 'alone',
    more: readonly string[] = [],
    key = testKey,
  ): Promise<WorkflowsAlone> {
    Runtime.install({ logger: new DefaultLogger('ERROR') });
    const executable = { type: 'existing-path', path: await temporalCli() } as const;
    const extraArgs = attributes.flatMap((one) => ['--search-attribute', `Tapeflow${one}`]);
    extraArgs.push(...more);
    const environment = await TestWorkflowEnvironment.createLocal({ server: { executable, extraArgs } });
    after(() => environment.teardown());
    return new WorkflowsAlone(environment, installation, key);
  }

  /**
   * Serves a queue until the test ends, or until the call that is returned shuts the worker down; `workflows`: runs
   * them too.
   */
  async serve(
    t: TestContext,
    taskQueue: string,
    activities: Activities,
    { workflows = false } = {},
  ): Promise<() => Promise<void>> {
    const note = (kind: string, what: string) => void this.refused.push({ kind, what });
    const worker = await Worker.create({
      connection: this.environment.nativeConnection,
      taskQueue,
      // Every start counts, unless the test looks at it.
      activities: { claimStart: async () => null, ...activities },
      interceptors: { activity: [stepChecks(this.key, { note })] },
      sinks: refusalSinks({ note }),
      shutdownForceTime: '1s',
      maxHeartbeatThrottleInterval: '100ms',
      ...(workflows
        ? {
            workflowBundle: bundledWorkflows(this.installation, this.key),
            workflowFailureErrorTypes: { '*': ['Error'] },
            // In this thread: to start one takes longer than most of these tests.
            debugMode: true,
          }
        : {}),
    });
    const running = worker.run();
    const stop = async () => {
      if (worker.getState() === 'RUNNING') worker.shutdown();
      await running.catch(() => undefined);
    };
    t.after(stop);
    return stop;
  }

  /** Serves the queues of an archive worker. */
  async serveArchive(t: TestContext, activities: Activities): Promise<void> {
    const steps = { copiesWithoutMark: () => [], ...activities };
    await this.serve(t, this.queues.archive, steps, { workflows: true });
    await this.serve(t, this.queues.host(undefined), steps);
    await this.serve(t, this.queues.compress(undefined), steps);
  }

  /** Serves the queues of a drive. */
  async serveDrive(t: TestContext, drive: string, activities: Activities): Promise<void> {
    await this.serve(t, this.queues.drive(drive), activities);
    await this.serve(t, this.queues.driveHost(drive), activities);
  }

  /** Starts a workflow; what is left of it when the test ends is terminated. */
  async begin(t: TestContext, workflow: string, workflowId: string, input: object) {
    const handle = await this.client.workflow.start(workflow, {
      workflowId,
      taskQueue: this.queues.archive,
      args: [input],
    });
    t.after(() => handle.terminate().catch(() => undefined));
    return handle;
  }
}
