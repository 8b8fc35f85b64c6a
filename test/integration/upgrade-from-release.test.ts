import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { projectDir } from '../../config/project-dir.js';
import { checkSet } from '../support/check-set.js';
import { formerProgram, formerRelease, lacksFormerRelease } from '../support/former-program.js';
import { Installation } from '../support/installation.js';
import { archivesOn, assertSameTree, longTest, noise, tempFolder, writeTree } from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';

const groups = 24;
/** One file is one group, of which staging takes three. */
const settings = {
  MAX_GROUP_SIZE: '2MB',
  STAGING_MAX_BYTES: '7MB',
  TAPE_SYNC_BYTES: '3MB',
  LOOK_AFTER_SECONDS: '1',
};

function sourceOf(t: TestContext): string {
  const source = tempFolder(t);
  for (let no = 1; no <= groups; no += 1)
    writeTree(source, { [`d${no % 3}/file-${no}`]: noise(1_900_000, `${no}`) });
  return source;
}

/** Kills all that runs as soon as something is under way, and looks whether it still was then. */
async function killWhen(installation: Installation, isUnderWay: () => boolean, what: string): Promise<void> {
  await waitFor(isUnderWay, what);
  await installation.killAll();
  assert.ok(isUnderWay(), `${what}, when everything was killed`);
}

/** A set that the former version has begun: some of its groups are on the tape, some staged, some not begun. */
async function halfASet(t: TestContext, program: string) {
  const source = sourceOf(t);
  const installation = await Installation.make(t, settings);
  installation.program = program;
  const backup = installation.start(['backup', source]);
  const isHalfDone = () => {
    if (backup.child.exitCode !== null) throw new Error(backup.output());
    const rows = installation.tryQuery<{ state: string }>('select state from groups');
    const has = (...states: string[]) => rows.some(({ state }) => states.includes(state));
    return (
      has('committed', 'released') &&
      has('compressed', 'promoted', 'queued', 'writing', 'written') &&
      has('planned')
    );
  };
  await killWhen(installation, isHalfDone, 'groups on the tape, staged, and not begun');
  installation.program = projectDir;
  const [set] = installation.query<{ id: string }>('select id from sets');
  return { installation, source, setId: set?.id ?? '' };
}

async function assertStoredOnce(
  t: TestContext,
  { installation, source, setId }: Awaited<ReturnType<typeof halfASet>>,
): Promise<void> {
  const catalog = path.join(installation.dataDir, 'catalog.db');
  const places = { catalog, staging: installation.stagingDir, tape: installation.tapeDir, source };
  assert.deepEqual(checkSet(places, setId, groups), []);
  const target = tempFolder(t);
  const restored = await installation.run(['restore', setId, '--target', target]);
  assert.equal(restored.code, 0, restored.stdout + restored.stderr);
  assertSameTree(path.join(target, source), source, { folderTimes: true });
}

test(
  'what the release before this one has begun is ended by this one, after everything was killed',
  { skip: lacksFormerRelease || longTest },
  async (t) => {
    const program = formerProgram(t, formerRelease);

    await t.test('a set goes on with the same command', async (t) => {
      const half = await halfASet(t, program);
      const { installation, source, setId } = half;
      const result = await installation.json<{ setId: string; status: string }>(['backup', source]);
      assert.deepEqual([result.setId, result.status], [setId, 'completed']);
      await assertStoredOnce(t, half);
    });

    await t.test('a set goes on by itself where server and workers run', async (t) => {
      const half = await halfASet(t, program);
      const { installation } = half;
      const up = installation.start(['up']);
      const state = () => installation.query<{ state: string }>('select state from sets')[0]?.state;
      await waitFor(() => {
        assert.ok(up.child.exitCode === null && state() !== 'failed', up.output());
        return state() === 'completed';
      }, 'the set to complete');
      await assertStoredOnce(t, half);
      up.child.kill('SIGINT');
      await up.ended;
    });

    await t.test('a restore and a copy of a tape go on by themselves', async (t) => {
      const [source, target, root] = [sourceOf(t), tempFolder(t), tempFolder(t)];
      const tapes = ['A1', 'B1'].map((name) => path.join(root, name));
      const [a1 = '', b1 = ''] = tapes;
      for (const tape of tapes) mkdirSync(tape);
      const config = path.join(root, 'tapeflow.config.json');
      writeFileSync(config, JSON.stringify({ drives: { lto1: { path: a1 }, lto2: { path: b1 } } }));
      const installation = await Installation.make(t, { ...settings, TAPEFLOW_CONFIG: config });
      installation.program = program;
      const succeed = async (...args: string[]) => {
        const { code, stdout, stderr } = await installation.run(args);
        assert.equal(code, 0, stdout + stderr);
      };
      await succeed('tape', 'label', 'A1', '--pool', 'A', '--drive', 'lto1');
      await succeed('tape', 'label', 'B1', '--pool', 'B', '--drive', 'lto2');
      await succeed('backup', source, '--pool', 'A', '--drive', 'lto1');
      const [set] = installation.query<{ id: string }>('select id from sets');
      const setId = set?.id ?? '';

      const has = (kind: string, state: string) =>
        installation.query(
          `select 1 from retrieval_archives a join retrievals r on r.id = a.retrieval_id
          where r.kind = ? and (a.state = 'pending') = ?`,
          kind,
          state === 'pending' ? 1 : 0,
        ).length > 0;
      installation.start(['tape', 'copy', 'A1', '--pool', 'B', '--drive', 'lto1', '--to-drive', 'lto2']);
      await waitFor(() => has('copy', 'done'), 'the copy to be under way');
      installation.start(['restore', setId, '--target', target]);
      const areUnderWay = () => has('copy', 'pending') && has('restore', 'pending') && has('restore', 'done');
      await killWhen(installation, areUnderWay, 'a restore and a copy under way');

      installation.program = projectDir;
      const up = installation.start(['up']);
      const states = () => installation.query<{ state: string }>('select state from retrievals');
      await waitFor(() => {
        assert.ok(up.child.exitCode === null, up.output());
        const unfinished = states().filter(({ state }) => state !== 'completed');
        assert.ok(
          unfinished.every(({ state }) => !['failed', 'incomplete', 'cancelled'].includes(state)),
          JSON.stringify(unfinished),
        );
        return unfinished.length === 0;
      }, 'the restore and the copy to complete');
      up.child.kill('SIGINT');
      await up.ended;
      // The former program has restored some of it, without a native part.
      assertSameTree(path.join(target, source), source, { folderTimes: true, nearTimes: true });
      const [from, to] = [archivesOn(a1, setId), archivesOn(b1, setId)];
      assert.equal(from.length, groups);
      assert.deepEqual(
        to.map((file) => path.basename(file)),
        from.map((file) => path.basename(file)),
      );
      for (const [index, file] of to.entries())
        assert.ok(readFileSync(file).equals(readFileSync(from[index] ?? '')), file);
      const copies = installation.query(`select 1 from copies where state = 'committed'`);
      assert.equal(copies.length, 2 * groups, 'each archive is on each tape once');
    });
  },
);
