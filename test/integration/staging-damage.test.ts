import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { Installation } from '../support/installation.js';
import {
  archivesOn,
  assertSameTree,
  longTest,
  noise,
  tempFolder,
  untar,
  writeTree,
} from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';

/** A set whose archives are all staged, and for which there is no tape yet. */
async function stagedSet(t: TestContext, files: number, env: Record<string, string> = {}) {
  const source = tempFolder(t);
  const tape = path.join(tempFolder(t), 'tape');
  for (let i = 1; i <= files; i += 1) writeTree(source, { [`f${i}`]: noise(900_000, `staged ${i}`) });
  const installation = await Installation.make(t, {
    ...{ TAPE_PATH: tape, MAX_GROUP_SIZE: '1MB', STAGING_MAX_BYTES: '20MB' },
    ...env,
  });
  const backup = installation.start(['backup', source]);
  await waitFor(
    () => installation.tryQuery(`select 1 from groups where state = 'queued'`).length === files,
    'every archive to be queued',
  );
  const setId = installation.query<{ id: string }>('select id from sets')[0]?.id ?? '';
  const label = async () => {
    mkdirSync(tape);
    assert.equal((await installation.run(['tape', 'label', 'T1'])).code, 0);
  };
  const archives = () => installation.query('select name, sha256, token from archives order by name');
  return { source, tape, installation, backup, setId, label, archives };
}

test('staged archives that were altered, cut or deleted never reach the tape: they are made again', async (t) => {
  const target = tempFolder(t);
  const { source, tape, installation, backup, setId, label } = await stagedSet(t, 4);
  const final = path.join(installation.stagingDir, 'final', setId);
  const [first = '', second = '', third = ''] = readdirSync(final)
    .filter((name) => name.endsWith('.tar.gz'))
    .sort();
  const altered = readFileSync(path.join(final, first));
  altered.writeUInt8(altered.readUInt8(5000) ^ 1, 5000);
  writeFileSync(path.join(final, first), altered);
  truncateSync(path.join(final, second), 1000);
  rmSync(path.join(final, third));

  await label();
  const { code, stdout } = await backup.ended;
  assert.equal(code, 0, stdout);
  const lost = installation.query<{ group_no: number }>(
    `select distinct group_no from events where stage = 'lost' order by 1`,
  );
  assert.deepEqual(
    lost.map((event) => event.group_no),
    [1, 2, 3],
  );
  for (const archive of archivesOn(tape, setId)) {
    const row = installation.query<{ sha256: string }>(
      'select sha256 from archives where name = ?',
      path.basename(archive),
    )[0];
    assert.equal(createHash('sha256').update(readFileSync(archive)).digest('hex'), row?.sha256);
  }
  untar(archivesOn(tape, setId), target);
  assertSameTree(path.join(target, source), source, { folderTimes: false });
  assert.deepEqual(
    readdirSync(path.join(tape, setId)).filter((name) => name.endsWith('.part')),
    [],
  );
});

test(
  'a restart deletes nothing: what was staged before the crash goes to tape without being compressed again',
  { skip: longTest },
  async (t) => {
    const { source, installation, backup, label, archives } = await stagedSet(t, 3);
    await installation.killAll();
    await backup.ended;
    const before = archives();
    await label();
    const result = await installation.json<{ status: string }>(['backup', source]);
    assert.equal(result.status, 'completed');
    assert.deepEqual(archives(), before);
  },
);

test(
  'a server whose database was lost: the set is named, and resume takes it up without doing anything twice',
  { skip: longTest },
  async (t) => {
    // Or the worker takes it up before anybody is told.
    const later = { LOOK_AFTER_SECONDS: '0' };
    const { installation, backup, setId, label, archives } = await stagedSet(t, 3, later);
    await installation.killAll();
    await backup.ended;
    rmSync(path.join(installation.dataDir, 'temporal'), { recursive: true });
    await label();
    const up = installation.start(['up']);
    await waitFor(() => up.output().includes(`tapeflow resume ${setId}`), 'up to name the set');
    const doctor = await installation.run(['doctor']);
    assert.equal(doctor.code, 1);
    assert.match(doctor.stdout, new RegExp(`set ${setId}: is unfinished, but the server does not know it`));
    const before = archives();
    assert.equal((await installation.run(['resume', setId])).code, 0);
    const { code } = await installation.run(['watch', setId]);
    assert.equal(code, 0);
    assert.deepEqual(archives(), before);
    up.child.kill('SIGINT');
    assert.equal((await up.ended).code, 0);
    await installation.quiet();
  },
);
