import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Catalog } from '../../catalog/open-catalog.js';
import { planRepack } from '../../catalog/retrievals/plan/plan-repack.js';
import { SetRetention } from '../../catalog/sets/set-retention.js';
import { setNamed } from '../../catalog/sets/sets.js';
import { summarizeSet } from '../../catalog/sets/set-summary.js';
import { tapeRetention } from '../../catalog/tapes/tape-retention.js';
import type { Retentions } from '../../config/settings/retention.js';
import { addCopy, ended, endedSet, erase, tapeNamed, tenDays } from '../support/ended-sets.js';
import { openNewCatalog } from '../support/catalogs.js';

const dayMs = 86_400_000;
const forever: Retentions = { pools: {}, otherwise: null };

async function keptOf(catalog: Catalog, name: string, retentions: Retentions, now = Date.now()) {
  const tape = await tapeNamed(catalog, name);
  return tapeRetention(catalog, tape, await SetRetention.of(catalog, retentions), now);
}

test('what another good tape of the pool has is not needed of a tape, and it may be erased', async (t) => {
  const catalog = await openNewCatalog(t);
  const id = await endedSet(catalog, { tapes: ['T', 'T'] });
  const isNeeded = async (name: string) => !(await keptOf(catalog, name, forever)).isRecyclable;
  await addCopy(catalog, id, 1, 'U', 'default', 2);
  assert.equal(await isNeeded('T'), true, 'one of two archives is elsewhere');
  await assert.rejects(erase(catalog, 'T', { retentions: forever }), /holds set \S+, which has not expired/);
  await addCopy(catalog, id, 2, 'V', 'vault', 3);
  assert.equal(await isNeeded('T'), true, 'the copy in another pool is one more, and takes no place');
  await addCopy(catalog, id, 2, 'U', 'default', 4);
  assert.deepEqual([await isNeeded('T'), await isNeeded('U'), await isNeeded('V')], [false, false, true]);
  const tapes = catalog.updateTable('tapes').where('name', '=', 'U');
  for (const [bad, good] of [
    [() => tapes.set({ state: 'suspect' }).execute(), () => tapes.set({ state: 'usable' }).execute()],
    [() => damageOn(catalog, id, 4, 'bad'), () => damageOn(catalog, id, 4, null)],
  ] as const) {
    await bad();
    assert.equal(await isNeeded('T'), true);
    await good();
  }
  await erase(catalog, 'T', { retentions: forever });
  assert.equal(await isNeeded('U'), true, 'it is the only one now');
  assert.equal((await setNamed(catalog, id)).erased_at, null);
  assert.deepEqual(
    (await summarizeSet(catalog, id)).copies.map(({ pool, archives }) => [pool, archives]),
    [['default', 2]],
  );
});

async function damageOn(catalog: Catalog, setId: string, copyNo: number, damage: string | null) {
  await catalog
    .updateTable('copies')
    .set({ damage })
    .where('set_id', '=', setId)
    .where('copy_no', '=', copyNo)
    .execute();
}

test('a tape is repacked by what is still needed of it, and not on another good tape of its pool', async (t) => {
  const catalog = await openNewCatalog(t);
  const expired = await endedSet(catalog, { tapes: ['T'] });
  const kept = await endedSet(catalog, { tapes: ['T', 'T', 'U'], end: ended + 8 * dayMs });
  await addCopy(catalog, kept, 1, 'V', 'vault', 2);
  const now = ended + 11 * dayMs;
  const plan = async () => {
    const retention = await keptOf(catalog, 'T', tenDays, now);
    return planRepack(catalog, await tapeNamed(catalog, 'T'), retention, { now, loaded: [] });
  };
  const first = await plan();
  assert.deepEqual(
    first.archives.map(({ setId, group, to }) => [setId, group, to]),
    [
      [kept, 1, { copyNo: 3, pool: 'default' }],
      [kept, 2, { copyNo: 2, pool: 'default' }],
    ],
  );
  assert.deepEqual([first.bytes, first.expired, first.there, first.problems], [14, 1, 0, []]);
  await addCopy(catalog, kept, 1, 'U', 'default', 3);
  const second = await plan();
  assert.deepEqual([second.archives.length, second.there], [1, 1]);
  await addCopy(catalog, kept, 2, 'U', 'default', 2);
  assert.equal((await plan()).archives.length, 0);
  assert.equal((await keptOf(catalog, 'T', tenDays, now)).isRecyclable, true);
  await erase(catalog, 'T', {
    retentions: { pools: {}, otherwise: (Date.now() - ended - 9 * dayMs) / 1000 },
  });
  assert.deepEqual(
    [(await setNamed(catalog, expired)).state, (await setNamed(catalog, kept)).erased_at],
    ['expired', null],
  );
});
