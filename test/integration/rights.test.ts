import assert from 'node:assert/strict';
import { chmodSync, lstatSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { Installation } from '../support/installation.js';
import { backedUp } from '../support/set-state.js';
import { tempFolder } from '../support/trees.js';

test('all that is made is for its user alone, and what is restored has the modes of the backup, and goes into no folder of ours', async (t) => {
  const source = path.join(tempFolder(t), 'source');
  mkdirSync(source);
  writeFileSync(path.join(source, 'open'), 'for everybody');
  chmodSync(path.join(source, 'open'), 0o644);
  chmodSync(source, 0o755);
  const installation = await Installation.make(t);
  const setId = await backedUp(installation, source);
  const found: string[] = [];
  const look = (folder: string) => {
    for (const entry of readdirSync(folder)) {
      const at = path.join(folder, entry);
      const stats = lstatSync(at);
      // The program of the embedded server is no secret.
      if (stats.isDirectory()) look(at);
      found.push(at);
      assert.equal(stats.mode & (stats.isDirectory() ? 0o077 : 0o066), 0, `${at} is for its user alone`);
    }
  };
  for (const folder of [installation.dataDir, installation.tapeDir]) look(folder);
  assert.ok(
    found.some((at) => at.endsWith('.tar.gz')) && found.some((at) => at.endsWith('catalog.db')),
    'the archive and the catalog were looked at',
  );
  const target = path.join(tempFolder(t), 'target');
  await installation.json(['restore', setId, '--target', target]);
  const restored = path.join(target, source);
  assert.equal(statSync(path.join(restored, 'open')).mode & 0o777, 0o644);
  assert.equal(statSync(restored).mode & 0o777, 0o755);
  assert.equal(statSync(path.dirname(restored)).mode & 0o777, 0o700, 'of a folder above, nothing is known');
  for (const own of [path.join(installation.tapeDir, setId), installation.stagingDir, installation.dataDir]) {
    const { code, stderr } = await installation.run(['restore', setId, '--target', path.join(own, 'new')]);
    assert.equal(code, 2);
    assert.match(stderr, /lies in .*which is the (tape|staging|data) folder .*Nothing was restored/);
    assert.equal(lstatSync(path.join(own, 'new'), { throwIfNoEntry: false }), undefined);
  }
  for (const args of [
    ['backup', ''],
    ['restore', setId, '--target', ''],
    ['find', ''],
  ]) {
    const { code, stderr } = await installation.run(args);
    assert.equal(code, 2);
    assert.match(stderr, /is empty/);
  }
});
