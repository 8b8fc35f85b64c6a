import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { FaultShim, buildShim } from '../support/fault-shim.js';
import { Installation } from '../support/installation.js';
import { onlySet } from '../support/set-state.js';
import { noise, tempFolder, writeTree, longTest } from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';

test(
  'cancel --discard that was killed in the middle of its deletions is ended by the next one',
  { skip: longTest },
  async (t) => {
    const shim = buildShim();
    if ('missing' in shim) return t.skip(shim.missing);
    const source = tempFolder(t);
    for (const name of ['a', 'b', 'c']) writeTree(source, { [name]: noise(300_000, name) });
    const installation = await Installation.make(t, {
      MAX_GROUP_SIZE: '350KB',
      TAPE_PATH: path.join(tempFolder(t), 'never'),
    });
    const { root, stagingDir } = installation;
    const strikes = new FaultShim(shim.library, root, 'tree', { folders: [stagingDir], commits: '' });
    // One thread for files: one deletion after the other.
    const env = { ...strikes.env, UV_THREADPOOL_SIZE: '1' };
    const started = await installation.run(['backup', source, '--detach'], env);
    assert.equal(started.code, 0, started.stderr);
    const setId = onlySet(installation);
    const final = path.join(stagingDir, 'final', setId);
    await waitFor(() => existsSync(final) && readdirSync(final).length === 6, 'three archives in final');

    strikes.arm({ action: 'freeze', operation: 'unlink', path: `${final}/*`, at: 2 });
    const cancel = installation.start(['cancel', setId, '--discard'], env);
    await waitFor(() => strikes.struck().times > 0, 'the deletion to begin');
    await installation.killAll();
    assert.notEqual((await cancel.ended).code, 0);
    assert.equal(readdirSync(final).length, 5, 'one is deleted, the others are not');
    const { state } = installation.query<{ state: string }>('select state from sets')[0] ?? {};
    assert.notEqual(state, 'cancelled', 'the set does not say more than was done');
    const archives = () => installation.query<{ count: number }>('select count(*) as count from archives');
    assert.deepEqual(
      archives(),
      [{ count: 0 }],
      'nor does the catalog know archives of which half is deleted',
    );

    const again = await installation.run(['cancel', setId, '--discard']);
    assert.equal(again.code, 0, again.stderr);
    assert.match(again.stdout, /is cancelled; 0 archives are on tape\. What was staged is deleted/);
    assert.equal(existsSync(final), false);
    assert.equal(existsSync(path.join(stagingDir, 'temp', setId)), false);
    assert.deepEqual(
      installation.query(
        'select sets.state as state, sum(reserved) as bytes from sets join groups on set_id = sets.id',
      ),
      [{ state: 'cancelled', bytes: 0 }],
    );
    await installation.quiet();
  },
);
