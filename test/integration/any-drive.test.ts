import assert from 'node:assert/strict';
import { renameSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { backedUp, waitsForTape } from '../support/set-state.js';
import { assertSameTree, noise, tempFolder, writeTree } from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';
import { twoDrives } from '../support/two-tapes.js';

test('a restore and a verify read a tape in whichever drive it is, ask for one in any of them, and take it where it comes', async (t) => {
  const source = tempFolder(t);
  writeTree(source, { a: noise(100_000, 'a') });
  const { installation, tapes } = await twoDrives(t);
  const [lto1, lto2] = tapes;
  // So that all that follows has one server.
  const host = installation.start(['up']);
  const setId = await backedUp(installation, source, '--pool', 'B', '--drive', 'lto2');

  assert.equal((await installation.run(['verify', setId])).code, 0, 'the tape is in lto2');
  const shelf = `${lto2}-shelf`;
  renameSync(lto2, shelf);
  const target = tempFolder(t);
  const restore = installation.start(['restore', setId, '--target', target]);
  await waitsForTape(
    installation,
    'retrievals',
    /^A1 is in drive lto1, but B1 is wanted\. The folder .* of drive lto2 does not exist\. .* Load the tape B1 into any of lto1, lto2\.$/,
  );
  // A worker that says nothing any more is named, and holds up nobody who needs another drive.
  const silent = (await installation.worker('lto2')) ?? 0;
  process.kill(silent, 'SIGSTOP');
  await waitFor(async () => {
    const { steps } = await installation.json<{ steps: { details: { why?: string } }[] }>([
      'status',
      'restore-000002',
    ]);
    return steps.some(({ details: { why = '' } }) =>
      /has not been heard of since|no worker has taken it since/.test(why),
    );
  }, 'status to name the silent worker');
  renameSync(lto1, path.join(path.dirname(lto1), 'tape-a-shelf'));
  renameSync(shelf, lto1);
  assert.equal((await restore.ended).code, 0, restore.output());
  assertSameTree(source, path.join(target, source));

  process.kill(silent, 'SIGCONT');
  const onlyThere = installation.start(['verify', setId, '--drive', 'lto2']);
  await waitsForTape(installation, 'retrievals', /Load the tape B1 into drive lto2\.$/);
  renameSync(lto1, lto2);
  assert.equal((await onlyThere.ended).code, 0, onlyThere.output());
  host.child.kill('SIGINT');
  await host.ended;
});
