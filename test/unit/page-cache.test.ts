import assert from 'node:assert/strict';
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { test, type TestContext } from 'node:test';
import { durably } from '../../disk/page-cache.js';
import { tempFolder } from '../support/trees.js';

const skip = process.platform === 'linux' ? false : 'a file system is synced by itself on Linux only';

/** Has the program `sync` do nothing but note its arguments, until the test ends. Returns how it was called. */
function noteSyncs(t: TestContext): () => string[] {
  const folder = tempFolder(t);
  const notes = path.join(folder, 'notes');
  const program = path.join(folder, 'sync');
  writeFileSync(program, `#!/bin/sh\necho "$@" >>'${notes}'\n`);
  chmodSync(program, 0o755);
  const before = process.env['PATH'];
  process.env['PATH'] = `${folder}:${before ?? ''}`;
  t.after(() => (process.env['PATH'] = before));
  return () => (existsSync(notes) ? readFileSync(notes, 'utf8').split('\n').slice(0, -1) : []);
}

test('what is restored is synced while more is, and once more behind it', { skip }, async (t) => {
  const syncs = noteSyncs(t);
  let meanwhile = 0;
  const result = await durably('/target', async () => {
    while ((meanwhile = syncs().length) < 2) await sleep(10);
    return 'done';
  });
  assert.equal(result, 'done');
  assert.ok(syncs().length > meanwhile);
  assert.deepEqual([...new Set(syncs())], ['-f /target']);
});

test('where nothing is written, or the work fails, nothing is synced behind it', { skip }, async (t) => {
  const syncs = noteSyncs(t);
  assert.equal(await durably(null, () => Promise.resolve(1)), 1);
  await assert.rejects(
    durably('/target', () => Promise.reject(new Error('no room'))),
    /no room/,
  );
  assert.deepEqual(syncs(), []);
});
