import path from 'node:path';
import type { TestContext } from 'node:test';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { projectDir } from '../../config/project-dir.js';
import { queuesOf, type Queues } from '../../workflows/queues.js';
import { temporalCli } from './installation.js';

/** Activities of a test's own, in the place of the real ones; those that it does not give never come. */
type Activities = Record<string, (...args: never[]) => unknown>;

const bundle = path.join(projectDir, 'dist', 'workflow-bundle.js');
const attributes = [
  'Set=Keyword',
  'Source=KeywordList',
  'Pool=Keyword',
  'Drive=Keyword',
  'Phase=Keyword',
  'Installation=Keyword',
];

/**
 * The real workflows on a real server, with activities of the test's own: for what a workflow does when its steps answer as
 * they seldom do. One server for all tests of a file.
 */
export class WorkflowsAlone {
  readonly queues: Queues;

  private constructor(
    readonly environment: TestWorkflowEnvironment,
    installation: string,
  ) {
    this.queues = queuesOf(installation);
  }

  /** @param more arguments of the server. */
  static async start(
    after: (end: () => Promise<void>) => void,
    installation = 'alone',
    more: readonly string[] = [],
  ): Promise<WorkflowsAlone> {
    Runtime.install({ logger: new DefaultLogger('ERROR') });
    const executable = { type: 'existing-path', path: await temporalCli() } as const;
    const extraArgs = attributes.flatMap((one) => ['--search-attribute', `Tapeflow${one}`]);
    extraArgs.push(...more);
    const environment = await TestWorkflowEnvironment.createLocal({ server: { executable, extraArgs } });
    after(() => environment.teardown());
    return new WorkflowsAlone(environment, installation);
  }

  /** Serves a queue until the test ends; `workflows`: runs them too. */
  async serve(
    t: TestContext,
    taskQueue: string,
    activities: Activities,
    { workflows = false } = {},
  ): Promise<void> {
    const worker = await Worker.create({
      connection: this.environment.nativeConnection,
      taskQueue,
      activities,
      shutdownForceTime: '1s',
      maxHeartbeatThrottleInterval: '100ms',
      ...(workflows
        ? { workflowBundle: { codePath: bundle }, workflowFailureErrorTypes: { '*': ['Error'] } }
        : {}),
    });
    const running = worker.run();
    t.after(async () => {
      worker.shutdown();
      await running.catch(() => undefined);
    });
  }

  /** Serves the queues of an archive worker. */
  async serveArchive(t: TestContext, activities: Activities): Promise<void> {
    const steps = { copiesWithoutMark: () => [], ...activities };
    await this.serve(t, this.queues.archive, steps, { workflows: true });
    await this.serve(t, this.queues.compress, steps);
  }

  /** Serves the queues of a drive. */
  async serveDrive(t: TestContext, drive: string, activities: Activities): Promise<void> {
    await this.serve(t, this.queues.drive(drive), activities);
    await this.serve(t, this.queues.driveHost(drive), activities);
  }

  /** Starts a workflow; what is left of it when the test ends is terminated. */
  async begin(t: TestContext, workflow: string, workflowId: string, input: object) {
    const handle = await this.environment.client.workflow.start(workflow, {
      workflowId,
      taskQueue: this.queues.archive,
      args: [input],
    });
    t.after(() => handle.terminate().catch(() => undefined));
    return handle;
  }
}
