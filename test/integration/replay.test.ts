import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { DeterminismViolationError } from '@temporalio/workflow';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { projectDir, projectVersion } from '../../config/project-dir.js';
import { readHostFile } from '../../embedded/host-file.js';
import { backupWorkflowId } from '../../workflows/messages.js';
import { Installation, temporalCli } from '../support/installation.js';
import { manyFiles, tempFolder } from '../support/trees.js';

// What the SDK tells of a replay is no one's to read here.
Runtime.install({ logger: new DefaultLogger('ERROR') });

const histories = path.join(projectDir, 'test', 'fixtures', 'histories');
const workflowBundle = { codePath: path.join(projectDir, 'dist', 'workflow-bundle.js') };

test('the recorded histories of every version replay', async () => {
  const files = readdirSync(histories).filter((name) => name.endsWith('.json'));
  assert.ok(files.length >= 1);
  for (const file of files) {
    const history: unknown = JSON.parse(readFileSync(path.join(histories, file), 'utf8'));
    await Worker.runReplayHistory({ workflowBundle }, history, file.replace(/\.json$/, ''));
  }
});

test('a history that the workflow would not have made is noticed', async () => {
  const file = readdirSync(histories).find((name) => name.endsWith('.json')) ?? '';
  const history = JSON.parse(readFileSync(path.join(histories, file), 'utf8')) as {
    events: { activityTaskScheduledEventAttributes?: { activityType: { name: string } } }[];
  };
  const scheduled = history.events.find(
    (event) => event.activityTaskScheduledEventAttributes?.activityType.name === 'compressGroup',
  );
  assert.ok(scheduled?.activityTaskScheduledEventAttributes);
  scheduled.activityTaskScheduledEventAttributes.activityType.name = 'writeToTape';
  await assert.rejects(
    Worker.runReplayHistory({ workflowBundle }, history, 'forged'),
    DeterminismViolationError,
  );
});

// Run with TAPEFLOW_TEST_FILES=record to record this version's history for the test above.
test('record a history', { skip: process.env['TAPEFLOW_TEST_FILES'] !== 'record' }, async (t) => {
  const source = tempFolder(t);
  manyFiles(source, 300, 2000);
  const installation = await Installation.make(t, { MAX_GROUP_SIZE: '100KB' });
  const { setId } = await installation.json<{ setId: string }>(['backup', source, '--detach']);
  await installation.run(['watch', setId]);
  const show = ['workflow', 'show', '--output', 'json', '--workflow-id', backupWorkflowId(setId)];
  const address = readHostFile(installation.dataDir)?.address ?? '';
  const json = execFileSync(await temporalCli(), [...show, '--address', address], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  await installation.run(['down']);
  const file = path.join(histories, `backup-set-${projectVersion}.json`);
  writeFileSync(file, `${JSON.stringify(JSON.parse(json))}\n`);
});
