import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { DeterminismViolationError } from '@temporalio/workflow';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { projectVersion } from '../../config/project-dir.js';
import { bundledWorkflows } from '../../workers/processes/worker-process.js';
import * as workflows from '../../workflows/index.js';
import { installationIn } from '../../workflows/queues.js';
import * as replayContract from '../../workflows/replay-contract.js';
import { recordingKey, stories } from '../support/history-stories.js';
import { contractFile, historiesDir, recordHistories, recordedStories } from '../support/record-histories.js';

// What the SDK tells of a replay is no one's to read here.
Runtime.install({ logger: new DefaultLogger('ERROR') });

interface RecordedHistory {
  events: {
    workflowExecutionStartedEventAttributes?: { workflowId: string; taskQueue: { name: string } };
    activityTaskScheduledEventAttributes?: { activityType: { name: string } };
  }[];
}

const versions = readdirSync(historiesDir);

/** Every recorded history, by its name below `historiesDir`. */
function historyFiles(): string[] {
  return versions.flatMap((version) =>
    recordedStories(version).flatMap((story) =>
      readdirSync(path.join(historiesDir, version, story)).map((name) => path.join(version, story, name)),
    ),
  );
}

function readHistory(file: string): RecordedHistory {
  return JSON.parse(
    gunzipSync(readFileSync(path.join(historiesDir, file))).toString('utf8'),
  ) as RecordedHistory;
}

/** Replays it as what it was: its proofs are bound to its id, and made with the key of its installation. */
function replay(history: RecordedHistory): Promise<void> {
  const started = history.events[0]?.workflowExecutionStartedEventAttributes;
  assert.ok(started);
  const installation = installationIn(started.taskQueue.name);
  assert.ok(installation);
  const workflowBundle = bundledWorkflows(installation, recordingKey);
  return Worker.runReplayHistory({ workflowBundle }, history, started.workflowId);
}

/** What whoever changed the workflows has to do now. */
function whatToDo(version: string): string {
  const rule = '"Changing a workflow" in docs/architecture.md';
  return version === projectVersion
    ? `Version ${version} is not released: record its histories anew if that is meant, see ${rule}.`
    : `Runs of version ${version} would end at an upgrade: keep their way with patched(), see ${rule}.`;
}

test('the recorded histories of every version replay', async () => {
  for (const file of historyFiles()) {
    const [version = ''] = file.split(path.sep);
    await replay(readHistory(file)).catch((error: unknown) => {
      throw new Error(`${file} does not replay any more. ${whatToDo(version)}`, { cause: error });
    });
  }
});

test('the constants of the replay contract are those of the recorded histories', () => {
  const today = replayContract as Record<string, unknown>;
  for (const version of versions) {
    const text = readFileSync(path.join(historiesDir, version, contractFile), 'utf8');
    for (const [name, value] of Object.entries(JSON.parse(text) as Record<string, unknown>))
      assert.equal(today[name], value, `${name} has changed. ${whatToDo(version)}`);
  }
});

test('every story is recorded, and every workflow in one of them', () => {
  const recorded = new Set(versions.flatMap(recordedStories));
  for (const story of Object.keys(stories)) assert.ok(recorded.has(story), story);
  const types = new Set(historyFiles().map((file) => path.basename(file).replace(/-\d+\.json\.gz$/, '')));
  assert.deepEqual([...types].sort(), Object.keys(workflows).sort());
});

test('a history that the workflow would not have made is noticed', async () => {
  const history = readHistory(historyFiles().find((file) => file.includes('backupSet')) ?? '');
  const scheduled = history.events.find(
    (event) => event.activityTaskScheduledEventAttributes?.activityType.name === 'compressGroup',
  );
  assert.ok(scheduled?.activityTaskScheduledEventAttributes);
  scheduled.activityTaskScheduledEventAttributes.activityType.name = 'writeToTape';
  await assert.rejects(replay(history), DeterminismViolationError);
});

// Run with TAPEFLOW_TEST_FILES=record to record this version's histories for the tests above.
if (process.env['TAPEFLOW_TEST_FILES'] === 'record')
  for (const story of Object.keys(stories))
    test(`record the histories of a story: ${story}`, (t) => recordHistories(t, story));
