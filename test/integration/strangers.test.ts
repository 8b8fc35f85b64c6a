import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { Context } from '@temporalio/activity';
import { defaultPayloadConverter } from '@temporalio/common';
import { pino } from 'pino';
import { claimStart, claimStep, endSteps } from '../../catalog/server/claimed-starts.js';
import { insertSchedule, requestRun, findSchedule } from '../../catalog/server/schedules.js';
import type { Check } from '../../client/checks/disk-checks.js';
import { checkProofs } from '../../client/checks/proof-checks.js';
import { runInDrive } from '../../client/run-in-drive.js';
import { setHandle } from '../../client/server.js';
import { keyFile, messageKey } from '../../proof/key-file.js';
import { Prover } from '../../proof/message-proof.js';
import { labelFileName } from '../../tape/labels/label.js';
import { RefusalLog } from '../../workers/processes/refusal-log.js';
import { startSet } from '../../workers/starts/start-set.js';
import { registerSchedule } from '../../workers/starts/schedules.js';
import { scheduleId } from '../../workers/starts/schedule-id.js';
import { workflowTrouble } from '../../workers/server/workflow-trouble.js';
import { pauseUpdate, resumeUpdate } from '../../workflows/messages.js';
import { backupWorkflowId } from '../../workflows/workflow-ids.js';
import { queuesOf } from '../../workflows/queues.js';
import { liveSetsOfFile } from '../support/live-sets.js';
import {
  namespace,
  noProof,
  payloads,
  proofIn,
  queue,
  strangerOfFile,
} from '../support/stranger-messages.js';
import { waitFor } from '../support/wait-for.js';

const live = liveSetsOfFile();
const { stranger, start, endOf, history, update, refusals, heldRun, falseWorker } = strangerOfFile(live);

test('another user cannot read the key', { skip: process.getuid?.() !== 0 && 'needs root' }, async () => {
  await assert.rejects((await stranger()).read(keyFile(live().settings.TAPEFLOW_DATA_DIR)), /EACCES/);
});

test('every workflow that a stranger starts fails before its first step', async () => {
  live().hold('scanSources');
  const setId = await live().begin(1);
  await live().held('scanSources');
  const sets = async () => (await live().catalog.selectFrom('sets').selectAll().execute()).length;
  const before = await sets();
  const options = { heartbeatSeconds: 5, retrySeconds: 1, tapeRetrySeconds: 1, retryAttempts: 3 };
  const id = 'restore-000001';
  const wanted: [string, unknown[]][] = [
    ['backupSet', [{ setId, pool: 'A', drive: 'lto1', options, cursor: 0, scanned: false, retry: true }]],
    ['scheduledBackup', [{ name: 'nightly' }]],
    ['retrieveArchives', [{ id, kind: 'restore', drive: 'lto1', options }]],
    ['copyArchives', [{ id, drive: 'lto1', toDrive: 'lto2', options, syncBytes: 1 }]],
    ['labelLoadedTape', ['lto1', { name: 'MINE', pool: 'A', force: true }]],
    ['eraseLoadedTape', ['lto1', { name: 'A1', uuid: 'x', retentions: {} }]],
  ];
  const begun = refusals('start');
  for (const [index, [type, args]] of wanted.entries()) {
    const proof = index % 2 === 0 ? undefined : `command ${'A'.repeat(43)} ${Date.now()} x`;
    const runId = await start(type, `mine-${type}`, args, proof);
    const isDecided = async () =>
      (await history(`mine-${type}`, runId)).some(
        (event) => event.activityTaskScheduledEventAttributes ?? event.workflowExecutionFailedEventAttributes,
      );
    await waitFor(isDecided, 'a step, or the end');
    const steps = (await history(`mine-${type}`, runId)).filter(
      (event) => event.activityTaskScheduledEventAttributes,
    );
    assert.equal(steps.length, 0, type);
    assert.match(await endOf(`mine-${type}`, runId), noProof, type);
  }
  assert.equal(refusals('start') - begun, wanted.length);
  assert.equal(await sets(), before);
  live().letGo();
  await live().comesTo(setId, 'completed');
});

test('a start that was used is not obeyed again, under its own id or another, nor with other arguments', async () => {
  const setId = await live().begin(1);
  await live().comesTo(setId, 'completed');
  const workflowId = backupWorkflowId(setId, 'live');
  await live().server.client.workflow.getHandle(workflowId).result();
  const started = (await history(workflowId))[0]?.workflowExecutionStartedEventAttributes;
  const proof = proofIn(started?.header as never);
  const [input] = (started?.input?.payloads ?? []).map((payload) =>
    defaultPayloadConverter.fromPayload<object>(payload),
  );
  const events = async () => (await live().catalog.selectFrom('events').selectAll().execute()).length;
  const before = await events();
  assert.match(
    await endOf(workflowId, await start('backupSet', workflowId, [input], proof)),
    /it was used before/,
  );
  const other = `${workflowId}-2`;
  assert.match(await endOf(other, await start('backupSet', other, [input], proof)), noProof);
  const changed = { ...input, retry: true };
  assert.match(await endOf(workflowId, await start('backupSet', workflowId, [changed], proof)), noProof);
  assert.match(await endOf(workflowId, await start('copyArchives', workflowId, [input], proof)), noProof);
  assert.equal(await events(), before, 'nothing was done');
  assert.equal((await live().set(setId)).state, 'completed');
});

test('an update counts once, in its run alone', async () => {
  live().hold('scanSources');
  const setId = await live().begin(1);
  await live().held('scanSources');
  const handle = setHandle(live().server, setId);
  const { workflowId } = handle;
  const refusedBefore = refusals('update');
  for (const name of ['pause', 'resume', 'cancel', 'retryFailed', 'tapeLoaded'])
    await refuses(update(workflowId, name, randomUUID()));
  assert.equal(refusals('update') - refusedBefore, 5);
  await handle.executeUpdate(pauseUpdate);
  const accepted = (await history(workflowId)).find(
    (event) => event.workflowExecutionUpdateAcceptedEventAttributes,
  );
  const request = accepted?.workflowExecutionUpdateAcceptedEventAttributes?.acceptedRequest;
  const id = request?.meta?.updateId ?? '';
  const proof = proofIn(request?.input?.header as never);
  await handle.executeUpdate(resumeUpdate);
  await update(workflowId, 'pause', id, proof).catch(() => undefined);
  await refuses(update(workflowId, 'pause', randomUUID(), proof));
  await refuses(update(workflowId, 'cancel', id + 'x', proof));
  assert.equal((await live().set(setId)).state, 'scanning', 'it is not paused again');

  await handle.terminate('by a test');
  await startSet(live().server, live().catalog, await live().set(setId), { retry: false });
  await live().held('scanSources');
  await refuses(update(workflowId, 'pause', id, proof));
  assert.equal((await live().set(setId)).state, 'scanning');
  live().letGo();
  await live().comesTo(setId, 'completed');
});

/** An update is refused: the server says so in its answer. */
async function refuses(answer: Promise<unknown>): Promise<void> {
  assert.match(JSON.stringify(await answer), noProof);
}

test('a cancellation at the server has no proof, so the set goes on; the operator is told', async () => {
  live().hold('scanSources');
  const setId = await live().begin(1);
  await live().held('scanSources');
  const before = refusals('cancel');
  const workflowId = backupWorkflowId(setId, 'live');
  await (
    await stranger()
  ).call('requestCancelWorkflowExecution', {
    namespace,
    workflowExecution: { workflowId },
    requestId: randomUUID(),
  });
  await waitFor(() => refusals('cancel') > before, 'the operator to be told');
  assert.equal((await live().set(setId)).state, 'scanning');
  live().letGo();
  await live().comesTo(setId, 'completed');
});

test('a schedule runs when it is due or asked for: what a stranger makes or triggers does nothing', async () => {
  const { catalog, server, source } = live();
  const backup = { sources: [source], excludes: [], pool: 'A', drive: 'lto1', mode: 'full', direct: false };
  const named = {
    name: 'yearly',
    cron: '17 3 29 2 *',
    zone: 'UTC',
    command: 'backup',
    arguments: JSON.stringify(backup),
  };
  await insertSchedule(catalog, named, { replace: false });
  await registerSchedule(server, catalog, (await findSchedule(catalog, 'yearly')) ?? assert.fail());
  const ours = scheduleId('yearly', 'live');
  const sets = async () => (await catalog.selectFrom('sets').select('id').execute()).length;
  const before = await sets();
  const runs = async (prefix: string) => {
    const found: { workflowId: string; runId: string }[] = [];
    for await (const { workflowId, runId } of server.client.workflow.list({
      query: `WorkflowType = 'scheduledBackup'`,
    }))
      if (workflowId.startsWith(prefix)) found.push({ workflowId, runId });
    return found;
  };
  const triggered = async (id: string, prefix: string): Promise<string> => {
    const before = (await runs(prefix)).map(({ runId }) => runId);
    await (
      await stranger()
    ).call('patchSchedule', {
      namespace,
      scheduleId: id,
      patch: { triggerImmediately: {} },
      requestId: randomUUID(),
    });
    const fresh = async () => (await runs(prefix)).find(({ runId }) => !before.includes(runId));
    await waitFor(fresh, 'the run');
    const { workflowId, runId } = (await fresh()) ?? assert.fail();
    return endOf(workflowId, runId);
  };
  assert.match(await triggered(ours, 'scheduled-yearly-'), /not due then, and no command has requested it/);

  const { schedule } = await server.client.workflowService.describeSchedule({ namespace, scheduleId: ours });
  const genuine = schedule?.action?.startWorkflow ?? assert.fail();
  const action = {
    ...{ workflowId: 'mine', workflowType: { name: 'scheduledBackup' }, taskQueue: { name: queue } },
    input: payloads({ name: 'yearly' }),
  };
  for (const [id, more] of [
    ['bare', {}],
    ['copied', { header: { fields: genuine.header?.fields } }],
  ] as const) {
    await (
      await stranger()
    ).call('createSchedule', {
      ...{ namespace, scheduleId: id, requestId: randomUUID() },
      schedule: { spec: {}, action: { startWorkflow: { ...action, workflowId: `mine-${id}`, ...more } } },
    });
    assert.match(await triggered(id, `mine-${id}`), noProof, id);
  }
  // A start of the stranger's own in place of the server's, at a time that is due, but has passed.
  const proof = proofIn(genuine.header as never);
  const past = `scheduled-yearly-live-2024-02-29T03:17:00Z`;
  assert.match(
    await endOf(past, await start('scheduledBackup', past, [{ name: 'yearly' }], proof)),
    /too old/,
  );

  assert.equal(await sets(), before, 'no set was made');
  await requestRun(catalog, 'yearly');
  await server.client.schedule.getHandle(ours).trigger();
  await waitFor(
    async () => (await findSchedule(catalog, 'yearly'))?.run_set != null,
    'the run that was asked for',
  );
  const { run_set: setId } = (await findSchedule(catalog, 'yearly')) ?? assert.fail();
  await live().comesTo(setId ?? '', 'completed');
  assert.match(await triggered(ours, 'scheduled-yearly-'), /not due then/, 'once');
});

test('a schedule of ours that a stranger has replaced by one that looks like it is made anew', async () => {
  const { catalog, server } = live();
  const times = { cron: '30 2 * * *', zone: 'UTC', command: 'backup', arguments: '{}' };
  await insertSchedule(catalog, { name: 'nightly', ...times }, { replace: false });
  const tell = async () =>
    registerSchedule(server, catalog, (await findSchedule(catalog, 'nightly')) ?? assert.fail());
  const ours = { namespace, scheduleId: scheduleId('nightly', 'live') };
  const asIt = () => server.client.workflowService.describeSchedule(ours);
  assert.ok(await tell());
  assert.ok(!(await tell()), 'it is there');
  const { schedule, memo } = await asIt();
  const never = {
    structuredCalendar: [{ ...schedule?.spec?.structuredCalendar?.[0], year: [{ start: 2100 }] }],
  };
  const one = await stranger();
  await one.call('deleteSchedule', ours);
  const spec = { ...schedule?.spec, ...never };
  await one.call('createSchedule', {
    ...ours,
    requestId: randomUUID(),
    schedule: { ...schedule, spec },
    memo,
  });
  const next = async () => (await asIt()).info?.futureActionTimes?.[0]?.seconds?.toString();
  assert.match(new Date(Number(await next()) * 1000).toISOString(), /^2100-/, 'the stranger has made it so');
  assert.ok(await tell());
  assert.ok(Number(await next()) * 1000 < Date.now() + 86_400_000, 'it is due within a day again');
  assert.ok(!(await tell()));
});

test('a false workflow worker’s steps are not run, whatever proof they carry', async (t) => {
  const setId = await live().begin(1);
  await live().comesTo(setId, 'completed');
  await live().server.client.workflow.getHandle(backupWorkflowId(setId, 'live')).result();
  live().hold('finishSet');
  const victim = await live().begin(1);
  await live().held('finishSet');
  const before = refusals('step');
  assert.match(await falseWorker(t, 'cancelSet', [victim, true], undefined), noProof);
  const events = await history(backupWorkflowId(setId, 'live'));
  const scheduled = events.find(
    (event) => event.activityTaskScheduledEventAttributes?.activityType?.name === 'finishSet',
  )?.activityTaskScheduledEventAttributes;
  const proof = proofIn(scheduled?.header as never);
  // Everything as it was, but in another run.
  assert.match(await falseWorker(t, 'finishSet', [setId], proof), noProof);
  assert.equal(refusals('step') - before, 2);
  live().letGo();
  await live().comesTo(victim, 'completed');
});

test('a label, an erasing or an adoption that was asked for once is done once, and not after its command has ended', async (t) => {
  const { catalog, settings } = live();
  const prover = new Prover(messageKey(settings.TAPEFLOW_DATA_DIR));
  const taskQueue = queuesOf('live').drive('lto2');
  /** A run whose start counts, in which one of our workers has asked for a step; the rest is the false worker's. */
  const askedFor = async (activityType: string, args: unknown[]) => {
    const run = await heldRun(t);
    const { workflowId, runId } = run;
    assert.equal(await claimStart(catalog, { workflowId, runId, at: Date.now(), once: workflowId }), null);
    const place = { workflowId, runId, activityId: '2', activityType, taskQueue };
    const proof = prover.prove('step', place, args);
    return { workflowId, again: () => run.ask(activityType, args, proof, taskQueue) };
  };
  const labelled = { name: 'C1', pool: 'C', force: true };
  const [, drive] = settings.drives;
  const folder = drive?.path ?? '';
  const label = path.join(folder, labelFileName);
  live().unload('lto2');
  t.after(() => {
    rmSync(folder, { recursive: true });
    live().load('lto2');
  });
  const before = refusals('step');
  const { again } = await askedFor('labelLoadedTape', [labelled]);
  assert.match(await again(), /no tape|not mounted|does not exist|ENOENT/i, 'no tape is in the drive');
  mkdirSync(folder);
  writeFileSync(path.join(folder, 'precious'), 'of another system');
  assert.match(await again(), /it was done before/);
  assert.ok(!existsSync(label), 'the tape that is in the drive by now is not labelled');

  // Held back until its command has ended, as when somebody takes the step away from the drive's worker.
  for (const [type, args] of [
    ['labelLoadedTape', [labelled]],
    ['eraseLoadedTape', [{ tape: 'x', retentions: {}, evenUnexpired: true }]],
    ['readLoadedTape', [{ adopt: true }]],
  ] as const) {
    const held = await askedFor(type, [...args]);
    await endSteps(catalog, held.workflowId);
    assert.match(await held.again(), /the command that asked has ended/, type);
  }
  assert.ok(!existsSync(label));
  assert.equal(refusals('step') - before, 4);
});

test('nothing that a command has asked of a drive counts any more when the command has its answer, good or bad', async () => {
  const { catalog } = live();
  const asked = async (drive: string): Promise<boolean> => {
    const { failed } = await live().command(async (session) => {
      await runInDrive(session, drive, {
        ...{ role: 'tape catalog', summary: 'read the tape', refused: 'TapeNotRead' },
        ...{ workflow: 'readLoadedTape', args: [{ adopt: false }] },
        here: () => assert.fail('the drive is its worker’s'),
      });
    });
    const run = await catalog
      .selectFrom('claimed_starts')
      .select(['workflow_id as workflowId', 'run_id as runId'])
      .where('workflow_id', 'like', 'tape-catalog-%')
      .where('id', 'not like', 'ended %')
      .where('id', 'not like', 'step %')
      .orderBy('at', 'desc')
      .executeTakeFirstOrThrow();
    const claim = { ...run, activityType: 'eraseLoadedTape', by: 'somebody' };
    assert.equal(await claimStep(catalog, claim), 'the command that asked has ended');
    return failed;
  };
  assert.equal(await asked('lto1'), false);
  live().unload('lto2');
  assert.equal(await asked('lto2'), true);
  live().load('lto2');
});

test('an answer or a failure that a stranger gives to a step ends the run, and the set is as it was', async () => {
  for (const method of ['respondActivityTaskCompletedById', 'respondActivityTaskFailedById'] as const) {
    live().hold('scanSources');
    const setId = await live().begin(1);
    await live().held('scanSources');
    const workflowId = backupWorkflowId(setId, 'live');
    const described = await live().server.client.workflow.getHandle(workflowId).describe();
    const pending = described.raw.pendingActivities?.find(
      ({ activityType }) => activityType?.name === 'scanSources',
    );
    const failure = {
      message: 'the disk is broken',
      applicationFailureInfo: { type: 'SourceFailed', nonRetryable: true },
    };
    await (
      await stranger()
    ).call(method, {
      ...{
        namespace,
        workflowId,
        runId: described.runId,
        activityId: pending?.activityId,
        identity: 'somebody',
      },
      ...(method === 'respondActivityTaskCompletedById' ? { result: payloads(null) } : { failure }),
    });
    assert.match(await endOf(workflowId, described.runId), noProof, method);
    assert.equal(
      (await live().set(setId)).state,
      'scanning',
      'it is unfinished, and so it is taken up again',
    );
    live().letGo();
    await startSet(live().server, live().catalog, await live().set(setId), { retry: false });
    await live().comesTo(setId, 'completed');
  }
});

test('a step that its worker’s shutdown cuts off at its last attempt counts as that, and not as a stranger’s', async (t) => {
  const { alone } = live();
  let begun = 0;
  const cutOff = () => {
    begun += 1;
    return Context.current().cancelled;
  };
  const stop = await alone.serve(t, alone.queues.drive('lto9'), { labelLoadedTape: cutOff });
  const before = refusals('answer');
  const handle = await alone.client.workflow.start('labelLoadedTape', {
    ...{ workflowId: 'cut-off', taskQueue: queue },
    args: ['lto9', { name: 'A1', pool: 'A', force: false }],
  });
  await waitFor(() => begun === 1, 'the step to begin');
  await stop();
  await assert.rejects(handle.result(), (error: Error) => {
    let cause: unknown = error;
    while (cause instanceof Error && cause.cause !== undefined) cause = cause.cause;
    assert.equal((cause as Error).message, 'Its worker was shut down.');
    return true;
  });
  assert.equal(refusals('answer'), before);
});

test('a workflow that a stranger puts in the place of a set’s is ended, and the set goes on', async () => {
  live().hold('scanSources');
  const setId = await live().begin(1);
  await live().held('scanSources');
  const workflowId = backupWorkflowId(setId, 'live');
  const workflowExecution = { workflowId };
  await (await stranger()).call('terminateWorkflowExecution', { namespace, workflowExecution });
  await start('backupSet', workflowId, [{}], undefined, 'mine');
  const { server, catalog } = live();
  assert.match(
    (await workflowTrouble(server, workflowId))?.finding ?? '',
    /somebody else runs a workflow of its name/,
  );
  live().letGo();
  await startSet(server, catalog, await live().set(setId), { retry: false, onlyNew: true });
  await live().comesTo(setId, 'completed');
});

test('doctor tells of the key, of what was refused, and who has sent it', async () => {
  const { catalog, settings, alone } = live();
  const runId = await start('scheduledBackup', 'mine-told', [{ name: 'x' }]);
  assert.match(await endOf('mine-told', runId), noProof);
  const log = new RefusalLog(catalog, pino({ level: 'silent' }));
  for (let time = 1; time <= 1000; time += 1)
    log.note('start', alone.refused.at(-1)?.what ?? '', { workflowId: 'mine-told', runId });
  await log.close();
  const told: Check[] = [];
  await live().command(async (session) => void told.push(...(await checkProofs(session, true))));
  const [key, refused] = told;
  assert.equal(key?.level, 'ok');
  assert.match(key?.finding ?? '', new RegExp(keyFile(settings.TAPEFLOW_DATA_DIR)));
  assert.equal(refused?.level, 'trouble');
  assert.match(
    refused?.finding ?? '',
    /^The start of scheduledBackup mine-told was not obeyed.*1000 so far\); who sent it calls themselves somebody\b/,
  );
});

test('what is asked of a run that somebody else’s messages came to is still done', async () => {
  const setId = await live().begin(2);
  const workflowId = backupWorkflowId(setId, 'live');
  await update(workflowId, 'cancel', 'x').catch(() => undefined);
  await (
    await stranger()
  ).call('signalWorkflowExecution', {
    namespace,
    workflowExecution: { workflowId },
    signalName: 'cancel',
    requestId: randomUUID(),
  });
  await live().comesTo(setId, 'completed');
  assert.equal(await live().committed(setId), 6);
});
