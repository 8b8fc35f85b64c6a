import assert from 'node:assert/strict';
import { readdirSync, statSync, utimesSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { joinHardLink } from '../../archive/unpack/finish-tree.js';
import { NameProbe } from '../../archive/unpack/name-traits.js';
import { TargetTree } from '../../archive/unpack/target-tree.js';
import { tempFolder, writeTree } from '../support/trees.js';

const job = { name: 'restore-000001', token: 'new' };
/** Of an attempt that was killed, and of a restore that is under way. */
const [stale, other] = ['.tapeflow-restore-000001-old-1.part', '.tapeflow-restore-000002-old-1.part'];

test('what a killed attempt of a restore has left goes, at the top of the target too', (t) => {
  const target = tempFolder(t);
  writeTree(target, { [stale]: '', [other]: '', [`below/${stale}`]: '', [`below/${other}`]: '' });
  // Killed while it tried names.
  new NameProbe(target, { ...job, token: 'old' });
  const tree = new TargetTree(target, job, {});
  tree.lookAt('below/file');
  assert.equal(readdirSync(target).length, 4, 'to look changes nothing');
  tree.place('below/file');
  tree.close();
  assert.deepEqual(readdirSync(target).sort(), [other, 'below']);
  assert.deepEqual(readdirSync(path.join(target, 'below')), [other]);
});

test('what a killed attempt has left where it joined hard links goes when they are joined', (t) => {
  const target = tempFolder(t);
  writeTree(target, { 'below/one': 'same', 'below/two': 'same', [`below/${stale}`]: '' });
  for (const name of ['one', 'two']) utimesSync(path.join(target, 'below', name), 1, 1);
  const tree = new TargetTree(target, job, {});
  assert.ok(joinHardLink(tree, 'below/two', 'below/one'));
  tree.close();
  assert.deepEqual(readdirSync(path.join(target, 'below')), ['one', 'two']);
  assert.equal(statSync(path.join(target, 'below', 'two')).nlink, 2);
});
