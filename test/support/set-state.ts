import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import type { Installation } from './installation.js';
import { archivesOn, assertSameTree, tempFolder, untar } from './trees.js';
import { waitFor } from './wait-for.js';

interface Step {
  activity: string;
  started: boolean;
  details: { why?: string; stuck?: boolean };
}

/** Id of the only set of an installation. */
export function onlySet(installation: Installation): string {
  return installation.query<{ id: string }>('select id from sets')[0]?.id ?? '';
}

/** A completed set, with server and workers that go on running for what comes after. */
export async function backedUp(
  installation: Installation,
  source: string,
  ...args: string[]
): Promise<string> {
  const { setId } = await installation.json<{ setId: string }>(['backup', source, ...args, '--detach']);
  const { code, stderr } = await installation.run(['watch', setId]);
  assert.equal(code, 0, stderr);
  return setId;
}

/** Waits until a set, or a retrieval, waits for a tape with a reason that matches. */
export async function waitsForTape(
  installation: Installation,
  table: 'sets' | 'retrievals',
  reason: RegExp,
): Promise<void> {
  const sql = `select reason from ${table} where state = 'waiting_for_tape'`;
  await waitFor(
    () => installation.tryQuery<{ reason: string | null }>(sql).some((row) => reason.test(row.reason ?? '')),
    `${table} to wait because of ${reason.source}`,
  );
}

/** Number of events of a stage, over all groups. */
export function countEvents(installation: Installation, stage: string): number {
  return installation.tryQuery(`select 1 from events where stage = ?`, stage).length;
}

/** Waits until `status` says that a step of the set is stuck, with a reason that matches. */
export async function waitsBecause(
  installation: Installation,
  setId: string,
  reason: RegExp,
  activity?: string,
  env: Record<string, string> = {},
): Promise<void> {
  await waitFor(async () => {
    const { steps } = await installation.json<{ steps: Step[] }>(['status', setId], env);
    return steps.some(
      (step) =>
        step.details.stuck === true &&
        reason.test(step.details.why ?? '') &&
        (activity === undefined || step.activity === activity),
    );
  }, `the set to wait because of ${reason.source}`);
}

/** Every group was committed once, the tape restores the source, no part is left on it, and staging is empty. */
export function assertWholeOnTape(
  t: TestContext,
  installation: Installation,
  setId: string,
  source: string,
): void {
  const twice = installation.query(
    `select group_no, count(*) from events where set_id = ? and stage = 'committed' group by 1 having count(*) > 1`,
    setId,
  );
  assert.deepEqual(twice, []);
  const target = tempFolder(t);
  untar(archivesOn(installation.tapeDir, setId), target);
  assertSameTree(path.join(target, source), source, { folderTimes: false });
  const parts = readdirSync(path.join(installation.tapeDir, setId)).filter((name) => name.endsWith('.part'));
  assert.deepEqual(parts, []);
  const root = installation.env['BACKUP_COMPRESS_DIR'] ?? installation.stagingDir;
  const staged = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.includes('backup_'),
  );
  assert.deepEqual(staged, []);
}
