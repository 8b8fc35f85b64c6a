import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { gzipSync } from 'node:zlib';
import { projectDir, projectVersion } from '../../config/project-dir.js';
import * as replayContract from '../../workflows/replay-contract.js';
import { stories } from './history-stories.js';
import { temporalCli } from './installation.js';
import type { OwnSet } from './own-set.js';
import { waitFor } from './wait-for.js';

/** Where the recorded histories are: `VERSION/STORY/WORKFLOW-NUMBER.json.gz`. */
export const historiesDir = path.join(projectDir, 'test', 'fixtures', 'histories');

/** In the folder of each version: the values of the replay contract that its histories were made with. */
export const contractFile = 'replay-contract.json';

/**
 * Lets a story take its way to its end, and writes the history of every run that its server knows, in place of those
 * that this version had of the story.
 */
export async function recordHistories(t: TestContext, story: string): Promise<void> {
  const set = await stories[story]?.(t);
  if (set === undefined) throw new Error(`no story ${story}`);
  const runs = await endedRuns(set);
  const folder = path.join(historiesDir, projectVersion, story);
  if (existsSync(folder)) rmSync(folder, { recursive: true });
  mkdirSync(folder, { recursive: true });
  const numbers = new Map<string, number>();
  for (const { type, workflowId, runId } of runs) {
    const number = (numbers.get(type) ?? 0) + 1;
    numbers.set(type, number);
    const show = ['workflow', 'show', '--output', 'json', '--address', set.server.environment.address];
    const json = execFileSync(
      await temporalCli(),
      [...show, '--workflow-id', workflowId, '--run-id', runId],
      { encoding: 'utf8', maxBuffer: 1 << 28 },
    );
    const file = path.join(folder, `${type}-${number}.json.gz`);
    writeFileSync(file, gzipSync(JSON.stringify(JSON.parse(json)), { level: 9 }));
  }
  const contract = JSON.stringify(replayContract, null, 2);
  writeFileSync(path.join(historiesDir, projectVersion, contractFile), `${contract}\n`);
}

/** Names of the stories that a version has recorded. */
export function recordedStories(version: string): string[] {
  const entries = readdirSync(path.join(historiesDir, version), { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
}

/** Every run of a story's server in the order of their beginning, when its sets and all of them have ended. */
async function endedRuns({ installation, server }: OwnSet) {
  await waitFor(() => {
    const sets = installation.query<{ state: string; reason: string }>('select state, reason from sets');
    return sets.length > 0 && sets.every(({ state }) => state === 'completed' || state === 'expired');
  }, 'the sets to complete');
  const runs: { type: string; workflowId: string; runId: string; began: number }[] = [];
  await waitFor(async () => {
    runs.length = 0;
    for await (const {
      type,
      workflowId,
      runId,
      startTime,
      status,
    } of server.environment.client.workflow.list()) {
      // Only what is ours has a history that ends.
      if (type.startsWith('temporal-sys-')) continue;
      if (status.name === 'RUNNING') return false;
      runs.push({ type, workflowId, runId, began: startTime.getTime() });
    }
    return runs.length > 0;
  }, 'the server to list every run as ended');
  return runs.sort((a, b) => a.began - b.began);
}
