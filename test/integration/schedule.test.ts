import assert from 'node:assert/strict';
import { existsSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import Database from 'better-sqlite3';
import { Connection, ScheduleClient } from '@temporalio/client';
import { readHostFile } from '../../embedded/host-file.js';
import { scheduleId } from '../../workers/starts/schedule-id.js';
import { Installation } from '../support/installation.js';
import {
  archivesOn,
  noise,
  tempFolder,
  untar,
  assertSameTree,
  writeTree,
  longTest,
} from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';

test('a schedule makes a set each time it runs, and is listed, paused and removed', async (t) => {
  const source = tempFolder(t);
  const target = tempFolder(t);
  writeTree(source, { file: noise(100_000, 'scheduled') });
  const [gate, config] = ['gate', 'config.json'].map((name) => path.join(target, name)) as [string, string];
  const before = ['/bin/sh', '-c', `while ! test -e ${gate}; do sleep 0.1; done`];
  writeFileSync(config, JSON.stringify({ hooks: { gate: { before } } }));
  const installation = await Installation.make(t, { LOOK_AFTER_SECONDS: '0.5', TAPEFLOW_CONFIG: config });
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
    /next run is at .* 02:30. Its time zone is \S+, that of this machine/,
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
  assert.match(await run(['schedule', 'list']), new RegExp(`completed \\(${states()[1]?.id ?? ''}\\)`));

  // What reads the tapes is scheduled in the same way.
  const latest = ['--latest', source];
  await run(['schedule', 'add', 'check', '--cron', '0 6 * * 0', '--', 'verify', ...latest, '--sample', '50']);
  await run(['schedule', 'run', 'check']);
  const verified = () =>
    installation.query(`select 1 from retrievals where kind = 'verify' and state = 'completed'`);
  await waitFor(() => verified().length === 1, 'the verify');
  assert.match(
    await run(['schedule', 'list']),
    /check +0 6 \* \* 0 +on .*completed \(verify-000001\) +verify --latest /,
  );
  assert.match(await run(['verify', ...latest]), new RegExp(`Verify of ${states()[1]?.id ?? ''}`));
  await run(['schedule', 'remove', 'check']);

  // The night of a clock change, by the server's own reckoning.
  const zoned = async (name: string, cron: string, zone: string) => {
    await run(['schedule', 'add', name, '--cron', cron, '--time-zone', zone, '--', 'backup', source]);
    return run(['schedule', 'list']);
  };
  assert.match(
    await zoned('spring', '30 2 28 3 *', 'Europe/Berlin'),
    /spring runs next at 2027-03-28 03:30, 2028-03-28 02:30 and 2029-03-28 02:30 \(Europe\/Berlin\)/,
  );
  assert.match(
    await zoned('autumn', '30 1 6-8 11 *', 'America/New_York'),
    /autumn runs next at 2027-11-06 01:30, 2027-11-07 01:30 and 2027-11-08 01:30 \(America\/New_York\)/,
  );
  await run(['schedule', 'remove', 'spring']);
  await run(['schedule', 'remove', 'autumn']);

  // A share that is no longer mounted: nothing is stored, and told.
  const [file = ''] = readdirSync(source);
  renameSync(path.join(source, file), `${source}.file`);
  await run(['schedule', 'run', 'nightly']);
  await waitFor(() => states()[2]?.state === 'failed', 'the run to fail');
  assert.match(
    await run(['schedule', 'list']),
    /nightly has no success: its last run, set \S+, failed: The source \S+ is empty, without the 1 file/,
  );
  assert.match(
    await run(['backup', source], 1),
    /The source \S+ is empty, without the 1 file .* run it with --allow-shrunk\./,
  );
  for (const { id } of states().slice(2))
    assert.equal(existsSync(path.join(installation.tapeDir, id)), false, `nothing of ${id} is on tape`);
  renameSync(`${source}.file`, path.join(source, file));

  // A source that is gone: refused as by hand, and told.
  renameSync(source, `${source}.away`);
  await run(['schedule', 'run', 'nightly']);
  const failed = () =>
    installation.query(`select 1 from schedules where run_reason like '%does not exist.%'`);
  await waitFor(() => failed().length === 1, 'the run to fail');
  assert.match(
    await run(['schedule', 'list']),
    /nightly has no success: its last run failed: The source .* does not exist/,
  );
  assert.match(await run(['doctor'], 1), /TROUBLE +schedule nightly: has no success/);
  assert.equal(states().length, 4, 'no empty set was made');
  renameSync(`${source}.away`, source);

  // The server loses its schedules, with its database and then by somebody's hand: it is told of them again.
  await run(['schedule', 'pause', 'nightly']);
  await run(['down']);
  rmSync(path.join(installation.dataDir, 'temporal'), { recursive: true });
  assert.match(await run(['schedule', 'list']), /nightly .*paused.*No server runs/s);
  await run(['schedule', 'run', 'nightly']);
  await waitFor(() => states()[4]?.state === 'completed', 'the fifth set');
  const address = readHostFile(installation.dataDir)?.address ?? '';
  const connection = await Connection.connect({ address });
  const schedules = new ScheduleClient({ connection });
  const handle = schedules.getHandle(scheduleId('nightly', installation.shortId));
  assert.equal((await handle.describe()).state.paused, true);
  await run(['schedule', 'resume', 'nightly']);
  await handle.pause('somebody else');
  await waitFor(async () => !(await handle.describe()).state.paused, 'it to run again');
  await handle.delete();
  await waitFor(() => handle.describe().catch(() => undefined), 'it to be made again');
  await handle.update((before) => ({ ...before, spec: { cronExpressions: ['0 0 1 1 *'] } }));
  const madeAnew = async () => (await handle.describe()).info.lastUpdatedAt === undefined;
  await waitFor(() => madeAnew().catch(() => false), 'it to be made anew');

  // One of version 0.1 is known to the server alone: it is taken over once, and later ones are not.
  await schedules.create({
    scheduleId: 'tapeflow-weekly',
    memo: { cron: '0 3 * * 6', backup: `backup ${source}` },
    spec: { cronExpressions: ['0 3 * * 6'], timezone: 'Europe/Berlin' },
    state: { paused: true },
    action: {
      type: 'startWorkflow',
      workflowType: 'scheduledBackup',
      workflowId: 'scheduled-weekly',
      taskQueue: 'tapeflow-archive',
      args: [
        { name: 'weekly', sources: [source], excludes: [], drive: 'lto1', pool: 'default', mode: 'full' },
      ],
    },
  });
  assert.doesNotMatch(await run(['schedule', 'list']), /weekly/, 'the time for taking over has passed');
  const catalog = new Database(path.join(installation.dataDir, 'catalog.db'));
  assert.equal(catalog.prepare("delete from meta where key = 'schedules_imported'").run().changes, 1);
  catalog.close();
  const weekly = schedules.getHandle(scheduleId('weekly', installation.shortId));
  await waitFor(
    async () => (await weekly.describe().catch(() => undefined))?.memo?.['made'] !== undefined,
    'it to be taken over',
  );
  assert.match(await run(['schedule', 'list']), /weekly +0 3 \* \* 6 +paused.*backup /);
  assert.equal((await weekly.describe()).state.paused, true);
  await assert.rejects(schedules.getHandle('tapeflow-weekly').describe(), 'its former id is gone');
  await run(['schedule', 'remove', 'weekly']);
  await connection.close();

  await run(['schedule', 'remove', 'nightly']);
  assert.match(await run(['schedule', 'list']), /no schedules/);
  assert.equal(states().length, 5, 'its sets stay');

  // One that runs already is not made to run again, and who asks reads that.
  await run(['schedule', 'add', 'gated', ...cron, '--', 'backup', source, '--hook', 'gate']);
  assert.equal(await run(['schedule', 'run', 'gated']), 'Schedule gated will run now.\n');
  await waitFor(() => states().length === 6, 'the sixth set');
  assert.match(
    await run(['schedule', 'run', 'gated']),
    new RegExp(`^Schedule gated has been running since .*\\. Its run is ${states()[5]?.id ?? ''}\\.\n$`),
  );
  writeFileSync(gate, '');
  await waitFor(() => states()[5]?.state === 'completed', 'the sixth set to be completed');
  await run(['schedule', 'run', 'gated']);
  await waitFor(() => states()[6]?.state === 'completed', 'the seventh set');
  await run(['down']);
});

test('a schedule that is wrong is refused with the reason, before any night is lost to it', async (t) => {
  const source = tempFolder(t);
  const installation = await Installation.make(t);
  const cases: [string[], RegExp][] = [
    [['add', 'x y', '--cron', '* * * * *', '--', 'backup', source], /not a valid name for a schedule/],
    [
      ['add', 'x', '--cron', '* * * * *', '--', 'restore', source],
      /begins with `backup`, `verify` or `tape copy`/,
    ],
    [['add', 'x', '--cron', '* * * * *', '--', 'backup', '/no/such/source'], /does not exist/],
    [['add', 'x', '--cron', '* * * * *', '--', 'backup', source, '--no-such'], /unknown option '--no-such'/],
    [['add', 'x', '--cron', '* * * * *', '--', 'backup', source, '--set', '2026-01_000001'], /Leave --set/],
    [['add', 'x', '--cron', 'every night', '--', 'backup', source], /--cron cannot be "every night"/],
    [['add', 'x', '--cron', '30 2 30 2 *', '--', 'backup', source], /it never comes/],
    [
      ['add', 'x', '--cron', '30 2 * * *', '--time-zone', 'Mars/Base', '--', 'backup', source],
      /no time zone/,
    ],
    [
      ['add', 'x', '--cron', '* * * * *', '--', 'backup', source, '--exclude', '*'],
      /exclude \* takes the whole source/,
    ],
    [['add', 'x', '--cron', '* * * * *', '--', 'verify', 'TAPE09'], /no set and no tape TAPE09/],
    [
      ['add', 'x', '--cron', '* * * * *', '--', 'verify'],
      /No set and no tape is named\. Give one, or --latest PATH/,
    ],
    [['add', 'x', '--cron', '* * * * *', '--', 'verify', '--latest', source], /no completed set of/],
    [['add', 'x', '--cron', '* * * * *', '--', 'verify', 'T', '--sample', '0'], /--sample cannot be "0"/],
    [
      ['add', 'x', '--cron', '* * * * *', '--', 'verify', 'T', '--repair'],
      /Leave --repair and --to-drive out/,
    ],
    [['add', 'x', '--cron', '* * * * *', '--', 'tape', 'copy', 'T'], /--pool <pool>' not specified/],
    [
      ['add', 'x', '--cron', '* * * * *', '--', 'tape', 'copy', 'T', '--pool', 'B', '--drive', 'x'],
      /no drive x/,
    ],
    [['add', 'x', '--cron', '* * * * *', '--', 'tape', 'label', 'T'], /begins with `backup`/],
    [['run', 'nothing'], /There is no schedule nothing/],
  ];
  for (const [args, message] of cases) {
    const { code, stderr } = await installation.run(['schedule', ...args]);
    assert.equal(code, 2, `${args.join(' ')}: ${stderr}`);
    assert.match(stderr, message);
    assert.doesNotMatch(stderr, /\n {4}at /);
  }
});

test(
  'three thousand sources are backed up, by hand and by a schedule, listed and restored',
  { skip: longTest },
  async (t) => {
    const source = tempFolder(t);
    const target = tempFolder(t);
    const names = Array.from({ length: 3000 }, (_, no) => `客户档案 ${no}`);
    writeTree(source, Object.fromEntries(names.map((name) => [name, name])));
    const sources = names.map((name) => path.join(source, name));
    const installation = await Installation.make(t);
    const run = async (...args: string[]) => {
      const finished = await installation.run(args);
      assert.equal(finished.code, 0, `${args.slice(0, 3).join(' ')}: ${finished.stderr}`);
      return finished.stdout;
    };
    const byHand = await installation.json<{ setId: string; files: number }>(['backup', ...sources]);
    assert.equal(byHand.files, 3000);
    await run('schedule', 'add', 'many', '--cron', '30 2 * * *', '--', 'backup', ...sources);
    await run('schedule', 'run', 'many');
    const state = () =>
      installation.query<{ state: string }>('select state from sets order by id desc')[0]?.state;
    await waitFor(
      () => installation.query('select 1 from sets').length === 2 && state() === 'completed',
      'its set',
    );
    assert.match(await run('schedule', 'list'), /many .* completed \(\S+\)/);
    const [set] = installation.query<{ id: string }>('select id from sets order by id desc');
    assert.match(await run('status', set?.id ?? ''), /completed/);
    await run('restore', set?.id ?? '', '--target', target);
    assertSameTree(path.join(target, source), source);
    await run('down');
  },
);
