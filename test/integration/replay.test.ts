import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { DeterminismViolationError } from '@temporalio/workflow';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { projectDir, projectVersion } from '../../config/project-dir.js';
import { workflowsOf } from '../../workers/processes/worker-process.js';
import { installationIn } from '../../workflows/queues.js';
import { recordHistories, recordingKey, stories } from '../support/record-histories.js';

// What the SDK tells of a replay is no one's to read here.
Runtime.install({ logger: new DefaultLogger('ERROR') });

const histories = path.join(projectDir, 'test', 'fixtures', 'histories');
interface RecordedHistory {
  events: {
    workflowExecutionStartedEventAttributes?: { workflowId: string; taskQueue: { name: string } };
    activityTaskScheduledEventAttributes?: { activityType: { name: string } };
  }[];
}

function readHistory(file: string): RecordedHistory {
  const bytes = readFileSync(path.join(histories, file));
  return JSON.parse((file.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8')) as RecordedHistory;
}

/** Replays it as what it was: its proofs are bound to its id, and made with the key of its installation. */
function replay(history: RecordedHistory): Promise<void> {
  const started = history.events[0]?.workflowExecutionStartedEventAttributes;
  assert.ok(started);
  const installation = installationIn(started.taskQueue.name);
  assert.ok(installation);
  const workflowBundle = workflowsOf(installation, recordingKey);
  return Worker.runReplayHistory({ workflowBundle }, history, started.workflowId);
}

test('the recorded histories of every version replay', async () => {
  const files = readdirSync(histories);
  for (const story of Object.keys(stories))
    assert.ok(
      files.some((file) => file.includes(`-${story}-1.json`)),
      story,
    );
  for (const file of files) await replay(readHistory(file));
});

test('a history that the workflow would not have made is noticed', async () => {
  const history = readHistory(readdirSync(histories)[0] ?? '');
  const scheduled = history.events.find(
    (event) => event.activityTaskScheduledEventAttributes?.activityType.name === 'compressGroup',
  );
  assert.ok(scheduled?.activityTaskScheduledEventAttributes);
  scheduled.activityTaskScheduledEventAttributes.activityType.name = 'writeToTape';
  await assert.rejects(replay(history), DeterminismViolationError);
});

// Run with TAPEFLOW_TEST_FILES=record to record this version's histories for the tests above.
for (const story of Object.keys(stories)) {
  const skip = process.env['TAPEFLOW_TEST_FILES'] !== 'record';
  test(`record the histories of a set: ${story}`, { skip }, (t) =>
    recordHistories(t, story, path.join(histories, `backup-set-${projectVersion}-${story}`)),
  );
}
