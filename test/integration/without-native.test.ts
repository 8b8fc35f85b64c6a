import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { projectDir } from '../../config/project-dir.js';
import { Installation, temporalCli } from '../support/installation.js';
import { assertSameTree, longTest, manyFiles, noise, tempFolder, writeTree } from '../support/trees.js';

/** A copy of the built program without the native part, as a set-up without cargo leaves it. */
function programWithoutNative(t: TestContext): string {
  const copy = tempFolder(t);
  for (const part of ['bin', 'dist', 'package.json'])
    cpSync(path.join(projectDir, part), path.join(copy, part), { recursive: true });
  const packages = path.join(copy, 'node_modules');
  mkdirSync(packages);
  for (const name of readdirSync(path.join(projectDir, 'node_modules')))
    if (name !== '.tapeflow')
      symlinkSync(path.join(projectDir, 'node_modules', name), path.join(packages, name));
  return copy;
}

test(
  'without the native part a backup and a restore work, and the command says what that costs',
  { skip: longTest },
  async (t) => {
    const copy = programWithoutNative(t);
    const installation = await Installation.make(t, { TEMPORAL_CLI_PATH: await temporalCli() });
    const runWith = (env: Record<string, string>, ...args: string[]) =>
      spawnSync(process.execPath, [path.join(copy, 'bin', 'tapeflow.cjs'), ...args], {
        env: { ...process.env, ...installation.env, ...env },
        encoding: 'utf8',
      });
    const run = (...args: string[]) => runWith({}, ...args);
    const source = tempFolder(t);
    writeTree(source, { 'a/large': noise(3_000_000, 'large'), 'b/text': 'tape '.repeat(1000) });
    manyFiles(path.join(source, 'many'), 300);

    const backup = run('backup', source);
    assert.equal(backup.status, 0, backup.stderr);
    const cost =
      /The native part is missing \(it was not built\): gzip takes about twice the processor time, and restored times are exact to a microsecond only\./;
    assert.match(backup.stdout + backup.stderr, cost);
    const left =
      /Left out: extended attributes, ACLs and capabilities of all entries \(the native part is missing: it was not built\)/;
    assert.equal((backup.stdout + backup.stderr).match(new RegExp(left, 'g'))?.length, 1);
    const doctor = run('doctor');
    assert.match(
      doctor.stdout,
      /note +compression: Node's zlib; the native part is missing \(it was not built\): gzip takes about twice /,
    );

    assert.match(
      doctor.stdout,
      /; extended attributes, ACLs and capabilities are neither backed up nor restored/,
    );
    assert.match(
      runWith({ COMPRESSION_CODEC: 'zlib' }, 'doctor').stdout,
      /note +compression: Node's zlib, as COMPRESSION_CODEC asks; the native part is missing .*: extended attributes/,
    );

    assert.match(
      runWith({ COMPRESSION: 'none' }, 'doctor').stdout,
      /note +compression: none, as COMPRESSION asks; the native part is missing .*: restored times are exact to a micro/,
    );

    const target = tempFolder(t);
    const [set] = installation.query<{ id: string }>('select id from sets');
    const restore = run('restore', set?.id ?? '', '--target', target);
    assert.equal(restore.status, 0, restore.stderr);
    assertSameTree(path.join(target, source), source, { folderTimes: true, nearTimes: true });
  },
);
