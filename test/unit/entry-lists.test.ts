import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { listedFiles } from '../../catalog/files/listed-files.js';
import { fromBytes, toBytes } from '../../entry/byte-string.js';
import { projectDir } from '../../config/project-dir.js';
import { changeFiles } from '../support/file-rows.js';
import { cleanEnv } from '../support/installation.js';
import { setsInProcess } from '../support/sets-in-process.js';
import { manyFiles, tempFolder } from '../support/trees.js';

const flags = 2300;
const skips = 45;

test('what is skipped and what is stored but changed are two lists, each whole, in every command', async (t) => {
  const source = tempFolder(t);
  manyFiles(source, flags, 10);
  execFileSync('mkdir', [path.join(source, 'zz')]);
  const unreadable = Array.from({ length: skips }, (_, i) => path.join(source, 'zz', `secret${i + 100}`));
  for (const file of unreadable) writeFileSync(file, '');
  const sets = await setsInProcess(t);
  const made = await sets.backUp(source, 'full');
  const { catalog, settings } = sets;
  assert.deepEqual([made.status, made.skipped, made.flagged], ['completed', 0, 0]);
  // As packing books what this user, who may be root, must not read.
  const secret = toBytes(`${path.join(source, 'zz').slice(1)}/secret`);
  const denied = { reason: 'cannot be read: permission denied', tar_offset: null, sha256: null };
  await changeFiles(catalog, (files) => files.where('path', '>=', secret), { state: 'skipped', ...denied });
  await catalog.updateTable('sets').set({ state: 'completed_with_skips' }).execute();
  // As packing books a file that has changed since the scan.
  await changeFiles(catalog, (files) => files.where('state', '=', 'packed').where('type', '=', 'file'), {
    reason: 'changed after the scan',
  });

  const run = (...args: string[]) => {
    const { stdout, stderr, status } = spawnSync(
      process.execPath,
      [path.join(projectDir, 'bin', 'tapeflow.cjs'), ...args],
      {
        env: {
          ...cleanEnv(),
          TAPEFLOW_DATA_DIR: settings.TAPEFLOW_DATA_DIR,
          BACKUP_COMPRESS_DIR: settings.BACKUP_COMPRESS_DIR,
          TAPEFLOW_LOCK_DIR: settings.TAPEFLOW_LOCK_DIR,
          TAPE_PATH: sets.tapeDir,
        },
        encoding: 'utf8',
        maxBuffer: 1e8,
      },
    );
    assert.equal(stderr, '');
    return { status, lines: stdout.trimEnd().split('\n') };
  };
  const id = made.setId;
  for (const command of ['status', 'watch']) {
    const { status, lines } = run(command, id);
    assert.equal(status, 3);
    const skipped = lines.findIndex((line) => /^ +Skipped: 45 entries, not completely in/i.test(line));
    assert.ok(skipped > 0, lines.join('\n'));
    const first = lines.slice(skipped + 1, skipped + 21);
    assert.deepEqual(
      first,
      unreadable.slice(0, 20).map((file) => `    ${file}: cannot be read: permission denied`),
    );
    assert.equal(lines[skipped + 21], `    … and 25 more: \`tapeflow ls ${id} --skipped\``);
    assert.match(
      lines[skipped + 22] ?? '',
      /^ +Flagged: 2,300 entries, in the backup, but changed meanwhile:$/i,
    );
    assert.ok(
      lines.slice(skipped + 23, skipped + 43).every((line) => line.endsWith(': changed after the scan')),
    );
    assert.equal(lines[skipped + 43], `    … and 2,280 more: \`tapeflow ls ${id} --flagged\``);
  }
  assert.deepEqual(
    run('ls', id, '--skipped').lines.map((line) => line.replace(/: .*/, '')),
    unreadable,
  );
  assert.equal(run('ls', id, '--flagged').lines.length, flags);
  assert.equal(run('ls', id, path.join(source, 'zz'), '--flagged').lines.join(''), '');
  const rows = run('ls', id, '--skipped', '--flagged', '--json').lines.map(
    (line) => JSON.parse(line) as { list: string },
  );
  assert.deepEqual(
    ['skipped', 'flagged'].map((list) => rows.filter((row) => row.list === list).length),
    [skips, flags],
  );
  const object = JSON.parse(run('status', id, '--json').lines.join('')) as Record<string, unknown>;
  assert.deepEqual([object['skipped'], object['flagged']], [skips, flags]);
  const firsts = [object['skippedFirst'], object['flaggedFirst']] as { path: string }[][];
  assert.deepEqual(
    firsts.map((list) => list.length),
    [20, 20],
  );
  assert.deepEqual(
    firsts[0]?.map((entry) => entry.path),
    unreadable.slice(0, 20),
  );

  const paths: string[] = [];
  for await (const page of listedFiles(catalog, id, 'flagged'))
    paths.push(...page.map((row) => fromBytes(row.path)));
  assert.equal(new Set(paths).size, flags, 'no page gives a row of another again');
});
