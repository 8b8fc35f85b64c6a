/** Expiry and erasing in a catalog that was read from tapes whose manifests list only what is other than in a base. */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import path from 'node:path';
import { pino } from 'pino';
import { test, type TestContext } from 'node:test';
import { SetRetention } from '../../catalog/sets/set-retention.js';
import { setNamed } from '../../catalog/sets/sets.js';
import { purgeErased } from '../../catalog/tapes/purge-erased.js';
import { tapeRetention } from '../../catalog/tapes/tape-retention.js';
import { tapeByName, tapeByUuid } from '../../catalog/tapes/tapes.js';
import { eraseTape } from '../../operations/tapes/erase-tape.js';
import { fourTapes } from '../support/four-tapes.js';
import { describeTree, tempFolder, writeTree } from '../support/trees.js';

const day = 86_400_000;
const retentions = { pools: {}, otherwise: 10 * 86_400 };
const shelves: Record<string, string> = {
  TAPE01: 'one',
  TAPE02: 'two',
  TAPE03: 'three',
  TAPE04: 'four',
  TAPE05: 'five',
};

/**
 * A catalog that was read from some of four tapes, or of five, of which the last builds on the fourth; it adopted them.
 */
async function readFrom(t: TestContext, ...names: string[]) {
  const { drive, sets, source, trees, ids, next } = await fourTapes(t);
  writeTree(source, { 'd/h': 'changed in the fifth' });
  // Of files with several names each manifest says where they are.
  for (const name of ['b', 'second b', 'e', 'second e']) rmSync(path.join(source, 'd', name));
  const fifth = names.includes('TAPE05') ? await next('five', 'TAPE05', 'incremental') : '';
  const load = (name: string) => drive.load(shelves[name] ?? assert.fail(name));
  const [first = '', ...others] = names;
  load(first);
  const rebuilt = await sets.rebuilt(true);
  const { catalog } = rebuilt;
  const read = async (name: string) => {
    load(name);
    assert.deepEqual((await rebuilt.readAgain()).troubles, []);
  };
  for (const name of others) await read(name);
  const context = {
    ...{ catalog, drive: sets.drive, lock: sets.lock },
    ...{ logger: pino({ level: 'silent' }), guard: () => undefined },
  };
  return {
    ...{ catalog, source, trees, ids, fifth, read },
    /** Ten days and more after the set's end, or not. */
    async ended(id: string, daysAgo: number) {
      const at = { finished_at: Date.now() - daysAgo * day };
      await catalog.updateTable('sets').set(at).where('id', '=', id).execute();
    },
    async isRecyclable(name: string) {
      const tape = (await tapeByName(catalog, name)) ?? assert.fail(name);
      const keeping = await SetRetention.of(catalog, retentions);
      return (await tapeRetention(catalog, tape, keeping, Date.now())).isRecyclable;
    },
    async erase(name: string, evenUnexpired = false) {
      load(name);
      const tape = (await tapeByName(catalog, name))?.uuid ?? '';
      const erased = await eraseTape(context, { tape, retentions, evenUnexpired });
      await purgeErased(catalog);
      return erased;
    },
    async restore(id: string) {
      const target = tempFolder(t);
      const { status, problems } = await rebuilt.restore(id, target, undefined, undefined, {}, async (uuid) =>
        load((await tapeByUuid(catalog, uuid))?.name ?? uuid),
      );
      return { status, problems, tree: describeTree(path.join(target, source)) };
    },
  };
}

test('of sets read from tapes, those on which one builds that is kept are kept, and the rest restores', async (t) => {
  const { catalog, trees, ids, ...own } = await readFrom(t, 'TAPE03', 'TAPE01', 'TAPE04', 'TAPE02');
  const [full, second, third, fourth] = ids;
  for (const id of [full, second, fourth]) await own.ended(id, 11);
  await assert.rejects(own.erase('TAPE01'), {
    message: `The tape TAPE01 is not recyclable: it holds set ${full}, on which ${third} builds.`,
  });
  await assert.rejects(own.erase('TAPE02'), { message: /on which .* builds\.$/ });
  assert.equal(await own.isRecyclable('TAPE04'), true);
  assert.equal((await own.erase('TAPE04')).archives > 0, true);
  assert.equal((await setNamed(catalog, fourth)).state, 'expired');
  for (const id of [full, second, third]) {
    const { status, tree } = await own.restore(id);
    assert.deepEqual([status, tree], ['completed', trees.get(id)], id);
  }
  await own.ended(third, 11);
  for (const name of ['TAPE01', 'TAPE03', 'TAPE02']) await own.erase(name);
  for (const table of ['entries', 'names', 'chains', 'groups', 'archives'] as const)
    assert.deepEqual(await catalog.selectFrom(table).selectAll().execute(), [], table);
});

test('as long as the base of a set is not read, the sets before it are kept for it', async (t) => {
  const { catalog, trees, ids, fifth, ...own } = await readFrom(t, 'TAPE01', 'TAPE05');
  const [full] = ids;
  await own.ended(full, 11);
  await assert.rejects(own.erase('TAPE01'), {
    message: new RegExp(
      `it holds set ${full}, on which ${fifth} may build \\(the tapes of what it builds on`,
    ),
  });
  await own.read('TAPE04');
  await own.ended(full, 11);
  await assert.rejects(own.erase('TAPE01'), { message: /on which .* build\.$/ });
  assert.deepEqual((await own.restore(fifth)).tree, trees.get(fifth));
  assert.equal((await setNamed(catalog, fifth)).state, 'completed');
});

test('what is erased under a set that is kept is named by its restore, which gives the rest', async (t) => {
  const { catalog, trees, ids, ...own } = await readFrom(t, 'TAPE01', 'TAPE02', 'TAPE03', 'TAPE04');
  const [full, second, third, fourth] = ids;
  await own.erase('TAPE02', true);
  assert.equal((await setNamed(catalog, second)).state, 'expired');
  for (const [id, lacks] of [
    [third, ['d/new']],
    [fourth, []],
    [full, []],
  ] as const) {
    const { status, problems, tree } = await own.restore(id);
    const all = trees.get(id) ?? {};
    const missing = Object.keys(all).filter((name) => !(name in tree));
    assert.deepEqual(missing, lacks, id);
    assert.equal(status, lacks.length === 0 ? 'completed' : 'incomplete', JSON.stringify(problems));
    for (const name of Object.keys(tree)) assert.deepEqual(tree[name], all[name], name);
  }
  // The tapes that are left, read again, say nothing else.
  await own.read('TAPE03');
  assert.equal((await own.restore(third)).status, 'incomplete');
});
