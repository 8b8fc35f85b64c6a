import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { Installation } from '../support/installation.js';
import { archivesOn, noise, tempFolder, untar, assertSameTree, writeTree } from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';

test('a schedule makes a set each time it runs, and is listed, paused and removed', async (t) => {
  const source = tempFolder(t);
  const target = tempFolder(t);
  writeTree(source, { file: noise(100_000, 'scheduled') });
  const installation = await Installation.make(t);
  const run = async (args: string[], exit = 0) => {
    const finished = await installation.run(args);
    assert.equal(finished.code, exit, `${args.join(' ')}: ${finished.stderr}`);
    return finished.stdout + finished.stderr;
  };
  const states = () =>
    installation.tryQuery<{ id: string; state: string }>('select id, state from sets order by id');

  const cron = ['--cron', '30 2 * * *'];
  assert.match(
    await run(['schedule', 'add', 'nightly', ...cron, '--', 'backup', source]),
    /next run is at .* 02:30:00/,
  );
  assert.match(
    await run(['schedule', 'add', 'nightly', ...cron, '--', 'backup', source], 2),
    /is a schedule nightly/,
  );
  await run([
    'schedule',
    'add',
    'nightly',
    ...cron,
    '--replace',
    '--',
    'backup',
    source,
    '--exclude',
    '*.tmp',
  ]);
  assert.deepEqual(states(), [], 'nothing runs before its time');
  assert.match(await run(['schedule', 'list']), /nightly +30 2 \* \* \* +on .*backup .* --exclude \*\.tmp/);

  await run(['schedule', 'run', 'nightly']);
  await waitFor(() => states().some(({ state }) => state === 'completed'), 'the first set');
  const [first] = states();
  untar(archivesOn(installation.tapeDir, first?.id ?? ''), target);
  assertSameTree(path.join(target, source), source);

  await run(['schedule', 'pause', 'nightly']);
  assert.match(await run(['schedule', 'list']), /nightly +30 2 \* \* \* +paused/);
  await run(['schedule', 'resume', 'nightly']);
  await run(['schedule', 'run', 'nightly']);
  await waitFor(() => states().length === 2 && states()[1]?.state === 'completed', 'the second set');
  await run(['schedule', 'remove', 'nightly']);
  assert.match(await run(['schedule', 'list']), /no schedules/);
  assert.equal(states().length, 2, 'its sets stay');
  await run(['down']);
});

test('a schedule that is wrong is refused with the reason, before any night is lost to it', async (t) => {
  const source = tempFolder(t);
  const installation = await Installation.make(t);
  const cases: [string[], RegExp][] = [
    [['add', 'x y', '--cron', '* * * * *', '--', 'backup', source], /no name of a schedule/],
    [['add', 'x', '--cron', '* * * * *', '--', 'restore', source], /begins with `backup`/],
    [['add', 'x', '--cron', '* * * * *', '--', 'backup', '/no/such/source'], /does not exist/],
    [['add', 'x', '--cron', '* * * * *', '--', 'backup', source, '--no-such'], /unknown option '--no-such'/],
    [['add', 'x', '--cron', '* * * * *', '--', 'backup', source, '--set', '2026-01_000001'], /Leave --set/],
    [['add', 'x', '--cron', 'every night', '--', 'backup', source], /--cron cannot be "every night"/],
    [['run', 'nothing'], /There is no schedule nothing/],
  ];
  for (const [args, message] of cases) {
    const { code, stderr } = await installation.run(['schedule', ...args]);
    assert.equal(code, 2, `${args.join(' ')}: ${stderr}`);
    assert.match(stderr, message);
    assert.doesNotMatch(stderr, /\n {4}at /);
  }
});
