import { randomUUID } from 'node:crypto';
import {
  Client,
  type ClientOptions,
  type ConnectionLike,
  type CreateScheduleInput,
  type ScheduleClientInterceptor,
  type WorkflowClientInterceptor,
  type WorkflowStartInput,
} from '@temporalio/client';
import { WorkflowNotFoundError } from '@temporalio/common';
import { Prover } from '../../proof/message-proof.js';
import { headerOf } from '../../proof/proof-header.js';

/** How often an update is sent again to the next run of a workflow that has just continued as new. */
const maxRuns = 5;

/** A client whose messages all carry a proof that they come from this installation; the only kind that we create. */
export function provingClient(
  key: string,
  options: ClientOptions & { connection: ConnectionLike; namespace: string },
): Client {
  const { connection, namespace } = options;
  return new Client({
    ...options,
    interceptors: provingInterceptors(key, () => ({ connection, namespace })),
  });
}

/** The interceptors for that, for a client created elsewhere. `server` is called when the first update is sent. */
function provingInterceptors(
  key: string,
  server: () => { connection: ConnectionLike; namespace: string },
): { workflow: WorkflowClientInterceptor[]; schedule: ScheduleClientInterceptor[] } {
  const prover = new Prover(key);
  const started = (input: WorkflowStartInput): WorkflowStartInput => {
    const { workflowType, options, headers } = input;
    const { workflowId, taskQueue, args } = options;
    const claim = { at: Date.now(), once: randomUUID() };
    const proof = prover.prove('command', { workflowId, workflowType, taskQueue, ...claim }, args);
    return { ...input, headers: { ...headers, ...headerOf({ kind: 'command', proof, ...claim }) } };
  };
  const runOf = async (workflowId: string): Promise<string> => {
    const { connection, namespace } = server();
    const { workflowExecutionInfo } = await connection.workflowService.describeWorkflowExecution({
      namespace,
      execution: { workflowId },
    });
    return workflowExecutionInfo?.execution?.runId ?? '';
  };
  return {
    workflow: [
      {
        start: (input, next) => next(started(input)),
        startWithDetails: (input, next) => next(started(input)),
        async startUpdate(input, next) {
          const { updateName: name, workflowExecution, args } = input;
          const { workflowId = '' } = workflowExecution;
          // An update is valid for one run only; otherwise whoever reads it could send it again to the next.
          for (let run = 1, before = ''; ; run += 1) {
            const runId = workflowExecution.runId ?? (await runOf(workflowId));
            const once = input.options.updateId ?? randomUUID();
            const proof = prover.prove('update', { workflowId, runId, name, once }, args);
            try {
              return await next({
                ...input,
                workflowExecution: { workflowId, runId },
                options: { ...input.options, updateId: once },
                headers: { ...input.headers, ...headerOf({ kind: 'update', proof }) },
              });
            } catch (error) {
              if (!(error instanceof WorkflowNotFoundError) || runId === before || run >= maxRuns)
                throw error;
              before = runId;
            }
          }
        },
        // There are no signals, and the run id of these calls is not known beforehand.
        signal: () => Promise.reject(new Error('workflows obey no signals')),
        startUpdateWithStart: () =>
          Promise.reject(new Error('an update cannot be proven before its run begins')),
        signalWithStart: () => Promise.reject(new Error('workflows obey no signals')),
      },
    ],
    schedule: [{ create: (input, next) => next(provenSchedule(prover, input)) }],
  };
}

function provenSchedule(prover: Prover, input: CreateScheduleInput): CreateScheduleInput {
  const { workflowId = '', workflowType, taskQueue, args = [] } = input.options.action;
  const proof = prover.prove('schedule', { workflowId, workflowType, taskQueue }, args);
  return { ...input, headers: { ...input.headers, ...headerOf({ kind: 'schedule', proof }) } };
}
