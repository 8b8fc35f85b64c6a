import assert from 'node:assert/strict';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { backedUp, waitsForTape } from '../support/set-state.js';
import { archivesOn, assertSameTree, longTest, noise, tempFolder, writeTree } from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';
import { twoDrives } from '../support/two-tapes.js';

test(
  'a restore and a verify read a tape in whichever drive it is, ask for one in any of them, and take it where it comes',
  { skip: longTest },
  async (t) => {
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

    // What is read is in lto2, and what is written to in lto1.
    const copying = installation.start(['tape', 'copy', setId, '--pool', 'A']);
    await waitsForTape(
      installation,
      'retrievals',
      /^A tape of pool A .*is wanted\. The folder .* of drive lto1 does not exist\. .*Load a tape of pool A .* into any of lto1, lto2\.$/,
    );
    renameSync(path.join(path.dirname(lto1), 'tape-a-shelf'), lto1);
    assert.equal((await copying.ended).code, 0, copying.output());
    const [archive = ''] = archivesOn(lto2, setId);
    const whole = readFileSync(archive);
    const bytes = Buffer.from(whole);
    bytes.writeUInt8(bytes.readUInt8(50_000) ^ 1, 50_000);
    writeFileSync(archive, bytes);
    const repaired = await installation.run(['verify', 'B1', '--repair']);
    assert.equal(repaired.code, 0, repaired.stdout + repaired.stderr);
    assert.deepEqual(
      readFileSync(archive),
      whole,
      'written anew where its tape is, from where the other copy is',
    );
    host.child.kill('SIGINT');
    await host.ended;
  },
);
