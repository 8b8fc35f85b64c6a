import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { test } from 'node:test';
import { openZstd } from '../../archive/blocks/zstd.js';
import { loadSettings } from '../../config/settings/load-settings.js';
import { lockDrive } from '../../tape/drives/drive-lock.js';
import { Installation } from '../support/installation.js';
import { queuesOf } from '../../workflows/queues.js';
import { setsInProcess } from '../support/sets-in-process.js';
import { longTest, manyFiles, tempFolder, writeTree } from '../support/trees.js';

test('sets, status, ls, find, trace and doctor tell the same story of a set', async (t) => {
  const source = tempFolder(t);
  writeTree(source, { 'docs/report.pdf': 'pdf', 'docs/notes.txt': 'notes', 'etc/hosts.conf': 'hosts' });
  const installation = await Installation.make(t);
  const { setId } = await installation.json<{ setId: string }>(['backup', source], { COMPRESSION: 'none' });
  // Whatever the setting is now.
  const archive = `backup_${setId}_000001.tar`;

  const sets = await installation.run(['sets']);
  assert.match(sets.stdout, new RegExp(`${setId} +completed .*TAPE01 .*${source}`));
  const status = await installation.json<{ status: string; stages: Record<string, number> }>([
    'status',
    setId,
  ]);
  assert.deepEqual([status.status, status.stages], ['completed', { released: 1 }]);

  // Below a head.
  const rowsOf = (stdout: string) => stdout.trim().split('\n').length - 1;
  const all = await installation.run(['ls', setId]);
  assert.equal(rowsOf(all.stdout), 6);
  assert.match(all.stdout, /^ +SIZE +CHANGED +WHERE +PATH\n/);
  const one = await installation.run(['ls', setId, source]);
  assert.equal(rowsOf(one.stdout), 3, 'of a folder one level: itself and two folders');
  assert.equal(rowsOf((await installation.run(['ls', setId, source, '--recursive'])).stdout), 6);
  const root = await installation.run(['ls', setId, '/']);
  assert.match(root.stdout, new RegExp(`^d .*above a source +/${source.split('/')[1] ?? ''}/$`, 'm'));
  const some = await installation.run(['ls', setId, path.join(source, 'docs')]);
  assert.equal(rowsOf(some.stdout), 3);
  assert.match(some.stdout, new RegExp(`TAPE01 ${archive} +${source}/docs/report\\.pdf`));
  const none = await installation.run(['ls', setId, '/elsewhere']);
  assert.equal(none.code, 1);
  assert.match(none.stderr, /holds nothing at \/elsewhere/);

  const found = await installation.json<{ path: string; tape: string; archive: string; sha256: string }>([
    'find',
    '*.pdf',
  ]);
  assert.equal(found.path, `${source}/docs/report.pdf`);
  assert.deepEqual([found.tape, found.archive], ['TAPE01', archive]);
  const hosts = await installation.run(['find', `${source}/**/hosts*`]);
  assert.equal(rowsOf(hosts.stdout), 1);
  assert.match(hosts.stdout, new RegExp(`^SET .*\\n${setId} `), 'a row names its set');
  assert.equal((await installation.run(['find', '*.nothing'])).code, 1);

  const list = await installation.run(['export', 'sha256sum', setId]);
  assert.equal(list.stdout.trim().split('\n').length, 3);
  const checked = spawnSync('sha256sum', ['--check', '--strict', '-'], { cwd: '/', input: list.stdout });
  assert.equal(checked.status, 0, checked.stderr.toString());

  for (const what of [setId, archive, path.join(source, 'docs/report.pdf')]) {
    const traced = await installation.run(['trace', what]);
    assert.equal(traced.code, 0, traced.stderr);
    assert.match(traced.stdout, /Moved to final\?/);
    assert.match(traced.stdout, /Queued for the drive\? /);
    assert.match(traced.stdout, /On tape\? /);
    assert.match(traced.stdout, /Drive lto1 mounted\? yes, with tape TAPE01/);
  }
  const doctor = await installation.run(['doctor'], { COMPRESSION_LEVEL: '3' });
  assert.equal(doctor.code, 0, doctor.stdout);
  assert.match(doctor.stdout, /COMPRESSION_LEVEL +3 +environment/);
  assert.match(doctor.stdout, /compression: (libdeflate$|Node's zlib; the native part is missing)/m);
  assert.doesNotMatch(doctor.stdout, /in use by/);
  const settings = loadSettings(
    { ...installation.env, TAPEFLOW_DATA_DIR: '/srv/another' },
    installation.root,
  );
  const [drive] = loadSettings(installation.env, installation.root).drives;
  assert.ok(drive);
  const lock = lockDrive(settings, drive, 'tape worker');
  const byZlib = await installation.run(['doctor'], { COMPRESSION_CODEC: 'zlib' });
  lock.release();
  assert.match(
    byZlib.stdout,
    new RegExp(
      `^note +drive lto1: .*tape TAPE01, .*; in use by pid ${process.pid} \\(tape worker\\) of user .*, data folder /srv/another, since 20.*\n.*Sets of this installation wait`,
      'm',
    ),
  );
  assert.match(
    byZlib.stdout,
    /compression: Node's zlib, as COMPRESSION_CODEC asks($|; the native part is missing)/m,
  );
  assert.match((await installation.run(['doctor'], { COMPRESSION: 'none' })).stdout, /compression: none/);
  assert.match(doctor.stdout, /MAX_GROUP_SIZE .*12\.88 GB.* default/);
  for (const what of ['Node', 'catalog', 'staging', 'drive lto1'])
    assert.match(doctor.stdout, new RegExp(`^ok +${what}:`, 'm'));
  assert.match(doctor.stdout, /note +Temporal: the embedded server does not run now/);
});

test('zstd is refused in one sentence where there is none, and doctor says so', async (t) => {
  if ((await openZstd('zlib')) !== undefined) return t.skip('this Node has zstd itself');
  const source = tempFolder(t);
  writeTree(source, { a: 'x' });
  const installation = await Installation.make(t);
  const env = { COMPRESSION: 'zstd', COMPRESSION_CODEC: 'zlib' };
  for (const args of [['backup', source], ['up']]) {
    const { code, stderr } = await installation.run(args, env);
    assert.equal(code, 1);
    assert.match(
      stderr,
      /zstd is not there: it needs Node 22\.15 or newer, or COMPRESSION_CODEC=auto and cargo at set-up/,
    );
  }
  const doctor = await installation.run(['doctor'], env);
  assert.match(doctor.stdout, /TROUBLE +compression: zstd is not there/);
});

test('a reader that has had enough ends a list, without a complaint', async (t) => {
  const source = tempFolder(t);
  manyFiles(source, 2000);
  const sets = await setsInProcess(t);
  const { setId } = await sets.backUp(source, 'full');
  const installation = await Installation.make(t, { TAPEFLOW_DATA_DIR: sets.settings.TAPEFLOW_DATA_DIR });
  const list = installation.start(['ls', setId]);
  list.child.stdout?.once('data', () => list.child.stdout?.destroy());
  const { code, stderr } = await list.ended;
  assert.equal(stderr, '');
  assert.equal(code, 0);
});

test(
  'doctor with a server that runs checks its version, clock and workers',
  { skip: longTest },
  async (t) => {
    const source = tempFolder(t);
    writeTree(source, { a: 'x' });
    const installation = await Installation.make(t);
    const { setId } = await installation.json<{ setId: string }>(['backup', source, '--detach']);
    await installation.run(['watch', setId]);
    const doctor = await installation.run(['doctor']);
    assert.equal(doctor.code, 0, doctor.stdout);
    assert.match(
      doctor.stdout,
      /Temporal: embedded server 1\.\d+\.\d+ at 127\.0\.0\.1:\d+, namespace default, UI http/,
    );
    const queues = queuesOf(installation.shortId);
    for (const queue of [
      queues.archive,
      queues.host(undefined),
      queues.compress(undefined),
      queues.drive('lto1'),
      queues.driveHost('lto1'),
    ])
      assert.match(doctor.stdout, new RegExp(`ok +queue ${queue}: served by \\w+ worker .*at .*, pid \\d+`));
    assert.match(doctor.stdout, /ok +clock/);
    assert.equal((await installation.run(['doctor', '--workers', 'archive'])).code, 0);
    await installation.run(['down']);
    assert.equal((await installation.run(['doctor', '--workers', 'archive'])).code, 1);
  },
);
