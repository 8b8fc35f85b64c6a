import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { layerOf } from '../../catalog/files/entry-rows.js';
import { retrievalNamed } from '../../catalog/retrievals/retrievals.js';
import { setsInProcess } from '../support/sets-in-process.js';
import { tempFolder } from '../support/trees.js';

test('a restore and a verify of which the catalog lists fewer entries than were planned have failed, with the numbers', async (t) => {
  const { catalog, backUp, restore, verify } = await setsInProcess(t);
  const source = path.join(tempFolder(t), 'source');
  mkdirSync(source);
  for (const name of ['a', 'b', 'c']) writeFileSync(path.join(source, name), name);
  const { setId } = await backUp(source, 'full');
  // As an old catalog beside a newer log of its changes: what the groups say and what the files say is not of one time.
  await catalog.deleteFrom('entries').where('layer', '=', layerOf(setId)).execute();

  const restored = await restore(setId, tempFolder(t));
  assert.equal(restored.status, 'failed');
  const { reason } = await retrievalNamed(catalog, 'restore-000001');
  assert.match(
    reason ?? '',
    /do not add up: 4 were planned, but 0 restored, 0 already there, 0 kept and 0 failed/,
  );
  assert.match(
    restored.problems[0]?.reason ?? '',
    /4 entries were planned, but the catalog lists 0: it contradicts itself/,
  );
  assert.equal((await verify(setId)).status, 'failed');
  const damaged = await catalog
    .selectFrom('copies')
    .select('damage')
    .where('damage', 'is not', null)
    .execute();
  assert.deepEqual(damaged, [], 'the tape is not blamed');
});
