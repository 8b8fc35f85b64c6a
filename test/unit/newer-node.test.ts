import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { test } from 'node:test';
import { projectDir } from '../../config/project-dir.js';
import { longTest, tempFolder } from '../support/trees.js';

/** The package of a Node that has zstd itself. */
const newer = `node-${process.platform}-${process.arch}@22.23.2`;

test(
  'a newer Node does by itself what the native part does: gzip, zstd, archives',
  { skip: longTest },
  (t) => {
    const folder = tempFolder(t);
    const npm = spawnSync('npm', ['install', '--prefix', folder, '--no-save', newer], { encoding: 'utf8' });
    if (npm.status !== 0) return t.skip(`needs the package ${newer}: ${npm.stderr.split('\n')[0]}`);
    const node = path.join(folder, 'node_modules', newer.split('@')[0] ?? '', 'bin', 'node');
    const script = `
    const { openZstd } = await import(process.argv[1] + '/dist/archive/blocks/zstd.js');
    const zstd = await openZstd('zlib');
    const block = Buffer.from('tape after tape, '.repeat(50000));
    const frame = await zstd.compress(block, 3);
    const back = await zstd.decompress(frame, block.length);
    console.log(process.versions.node, block.equals(back));`;
    const { stdout, stderr } = spawnSync(node, ['--input-type=module', '-e', script, projectDir], {
      encoding: 'utf8',
    });
    assert.equal(stdout, '22.23.2 true\n', stderr);
    const tests = ['codec', 'formats'].map((name) =>
      path.join(projectDir, 'dist', 'test', 'unit', `${name}.test.js`),
    );
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const run = spawnSync(node, ['--test', ...tests], { env, encoding: 'utf8' });
    assert.equal(run.status, 0, run.stdout);
  },
);
