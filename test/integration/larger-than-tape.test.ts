import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { Installation } from '../support/installation.js';
import { TapeDrive } from '../support/tape-drive.js';
import { archivesOn, listTar, longTest, noise, tempFolder, writeTree } from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';

test(
  'a set that meets a tape too small for one of its files ends with that one skipped; a larger tape takes it with retry',
  { skip: longTest },
  async (t) => {
    if (process.getuid?.() !== 0) return t.skip('mounting needs root');
    const drive = new TapeDrive(t);
    const [small, large] = [drive.newTape('4m'), drive.newTape('32m')];
    drive.load(small);
    const installation = await Installation.make(t, {
      TAPE_PATH: drive.path,
      TAPE_KIND: 'directory',
      MAX_GROUP_SIZE: '5MB',
    });
    const up = installation.start(['up']);
    await waitFor(() => /Ctrl-C/.test(up.output()), 'the server to be up');
    const source = tempFolder(t);
    writeTree(source, { a: 'small', m: noise(7_000_000, 'm'), y: 'small', z: noise(4_500_000, 'z') });
    const stored = (tape: string, setId: string) =>
      archivesOn(tape, setId)
        .flatMap((archive) => listTar(archive))
        .map((name) => path.basename(name))
        .filter((name) => name.length === 1)
        .sort();

    const backup = installation.start(['backup', source]);
    await waitFor(
      () => installation.tryQuery(`select 1 from sets where state = 'waiting_for_tape'`).length > 0,
      'the set to ask for a tape',
    );
    await waitFor(
      () => installation.tryQuery(`select 1 from archives where size > 4000000`).length === 2,
      'archives that are too large to be made while no tape is known',
    );
    assert.equal((await installation.run(['tape', 'label', 'SMALL'])).code, 0);
    assert.equal((await backup.ended).code, 3, backup.output());
    const [{ id: setId } = { id: '' }] = installation.query<{ id: string }>('select id from sets');
    assert.deepEqual(stored(small, setId), ['a', 'y'], 'the small files beside it are stored');
    const skipped = await installation.run(['ls', setId, '--skipped']);
    assert.match(
      skipped.stdout,
      /\/m: the file is larger than any tape of pool default \(it needs 7.*, and the largest takes 4.*\n.*\/z: left out, since/,
    );
    const refused = await installation.run(['retry', setId]);
    assert.equal(refused.code, 2);
    assert.match(
      refused.stderr,
      /A file of it is larger than any tape of pool default .* label a larger one first/,
    );

    drive.swap(large);
    assert.equal((await installation.run(['tape', 'label', 'LARGE'])).code, 0);
    const { code, stdout, stderr } = await installation.run(['retry', setId]);
    assert.equal(code, 3, stdout + stderr);
    assert.deepEqual(stored(large, setId), ['m']);
    const next = await installation.json<{ setId: string; status: string }>([
      'backup',
      source,
      '--mode',
      'incremental',
    ]);
    assert.equal(next.status, 'completed');
    assert.ok(stored(large, next.setId).includes('z'), 'what was left out is in the next set');
    up.child.kill('SIGINT');
    await up.ended;
  },
);
