import assert from 'node:assert/strict';
import { lstatSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { Installation } from '../support/installation.js';
import {
  assertSameTree,
  manyFiles,
  noise,
  settled,
  tempFolder,
  writeTree,
  longTest,
} from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';

async function backedUp(installation: Installation, source: string, mode: string): Promise<string> {
  const args = ['backup', source, '--mode', mode];
  const { setId, status } = await installation.json<{ setId: string; status: string }>(args);
  assert.equal(status, 'completed');
  return setId;
}

/** An installation whose server and workers run, for all that follows. */
async function running(t: TestContext, env: Record<string, string> = {}): Promise<Installation> {
  const installation = await Installation.make(t, env);
  const up = installation.start(['up']);
  await waitFor(() => installation.hostPid() !== undefined, `the server: ${up.output()}`);
  return installation;
}

test('an unchanged file is shown, found and restored where an earlier set holds it', async (t) => {
  const source = tempFolder(t);
  writeTree(source, { 'folder/old': noise(100_000, 'old'), 'folder/other': 'x' });
  await settled(source);
  const installation = await running(t);
  const began = await installation.run(['backup', source, '--mode', 'incremental']);
  assert.match(
    began.stderr,
    /There is no completed set of these sources to build on, so set (\S+) is a full one/,
  );
  const full = /Backup set (\S+)/.exec(began.stdout)?.[1] ?? '';
  writeTree(source, { 'folder/other': 'changed' });
  const next = await backedUp(installation, source, 'incremental');
  const old = path.join(source, 'folder/old');
  const archive = `backup_${full}_000001.tar.gz`;

  const listed = await installation.run(['ls', next, old]);
  assert.match(listed.stdout, new RegExp(`TAPE01 ${archive} +${old}\n`));
  const find = ['find', 'old', '--set', next];
  const found = await installation.json<{ archive: string; tape: string; state: string }>(find);
  assert.deepEqual([found.archive, found.tape, found.state], [archive, 'TAPE01', 'unchanged']);
  const traced = await installation.run(['trace', old]);
  assert.match(traced.stdout, new RegExp(`in set ${next}: unchanged since set ${full}, in ${archive}`));
  const sets = await installation.run(['sets']);
  assert.match(sets.stdout, new RegExp(`${next} +completed +incremental +${full}`));
  const status = await installation.json<{ mode: string; base: string; unchanged: number }>(['status', next]);
  assert.deepEqual([status.mode, status.base, status.unchanged], ['incremental', full, 1]);

  const latest = tempFolder(t);
  const { stdout } = await installation.run(['restore', 'latest', '--path', old, '--target', latest]);
  assert.match(stdout, new RegExp(`Restore of ${next}`));
  assert.deepEqual(readFileSync(path.join(latest, old)), readFileSync(old));
  assert.equal(lstatSync(path.join(latest, old)).mode, lstatSync(old).mode);
});

test('a kill -9 of everything during an incremental set costs nothing', { skip: longTest }, async (t) => {
  const source = tempFolder(t);
  manyFiles(source, 3000);
  await settled(source);
  const installation = await running(t, { MAX_GROUP_SIZE: '1MB', STAGING_MAX_BYTES: '40MB' });
  const full = await backedUp(installation, source, 'full');
  for (let i = 0; i < 12; i += 1) writeTree(source, { [`d0010/large-${i}`]: noise(900_000, `large ${i}`) });
  rmSync(path.join(source, 'd0020'), { recursive: true });
  const killed = installation.start(['backup', source, '--mode', 'incremental']);
  const unfinished = () =>
    installation.query<{ base_id: string; released: number }>(
      `select base_id, (select count(*) from groups where set_id = id and state = 'released') as released
       from sets where state != 'completed'`,
    );
  await waitFor(() => unfinished().some(({ released }) => released > 0), 'a first archive to be on tape');
  await installation.killAll();
  await killed.ended;
  assert.deepEqual(
    unfinished().map((set) => set.base_id),
    [full],
    'it was killed in the middle',
  );
  const setId = await backedUp(installation, source, 'incremental');
  const status = await installation.json<{ unchanged: number; base: string }>(['status', setId]);
  assert.deepEqual([status.unchanged, status.base], [2900, full]);
  const target = tempFolder(t);
  const restored = await installation.run(['restore', setId, '--target', target]);
  assert.equal(restored.code, 0, restored.stderr);
  assertSameTree(path.join(target, source), source, { folderTimes: true });
});
