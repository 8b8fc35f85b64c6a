import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { toBytes } from '../../entry/byte-string.js';
import { openSet } from '../../catalog/sets/open-set.js';
import { SetRetention } from '../../catalog/sets/set-retention.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import { planRestore } from '../../catalog/retrievals/plan/plan-restore.js';
import { rebuiltOptions } from '../../catalog/rebuilt/rebuilt-sets.js';
import { insertRetrieval } from '../../catalog/retrievals/retrievals.js';
import { recordSetState } from '../../catalog/sets/set-states.js';
import { setNamed, setWithFiles } from '../../catalog/sets/sets.js';
import { tapeRetention } from '../../catalog/tapes/tape-retention.js';
import type { Retentions } from '../../config/settings/retention.js';
import {
  addCopy,
  addGroup,
  ended,
  endedSet,
  erase,
  fileRow,
  tapeNamed,
  tenDays,
} from '../support/ended-sets.js';
import { addFile } from '../support/file-rows.js';
import { openNewCatalog } from '../support/catalogs.js';

const day = 86_400;
const dayMs = day * 1000;
const forever: Retentions = { pools: {}, otherwise: null };
const everything = { names: [], globs: [] };

async function newCatalog(t: TestContext): Promise<Catalog> {
  return openNewCatalog(t);
}

async function tapeAt(catalog: Catalog, name: string, retentions: Retentions, now: number) {
  const tape = await tapeNamed(catalog, name);
  return tapeRetention(catalog, tape, await SetRetention.of(catalog, retentions), now);
}

for (const state of ['completed', 'completed_with_skips', 'failed', 'cancelled'] as const) {
  test(`a set that is ${state} expires by its pool's retention, counted from its end`, async (t) => {
    const catalog = await newCatalog(t);
    const id = await endedSet(catalog, { state });
    const keeping = await SetRetention.of(catalog, { pools: { default: day }, otherwise: 5 * day });
    assert.equal(keeping.expires(id), ended + dayMs);
    assert.equal((await SetRetention.of(catalog, tenDays)).expires(id), ended + 10 * dayMs);
    assert.equal((await SetRetention.of(catalog, forever)).expires(id), Infinity);
    const until = ended + 10 * dayMs;
    assert.equal((await tapeAt(catalog, 'T', tenDays, until)).isRecyclable, true);
    assert.equal((await tapeAt(catalog, 'T', tenDays, until - 1)).isRecyclable, false);
  });
}

test('a set is needed as long as a living set builds on it, however long the chain', async (t) => {
  const catalog = await newCatalog(t);
  const full = await endedSet(catalog);
  const second = await endedSet(catalog, { mode: 'incremental', end: ended + 5 * dayMs, tapes: ['U'] });
  const third = await endedSet(catalog, { mode: 'incremental', end: ended + 8 * dayMs, tapes: ['U'] });
  assert.equal((await setNamed(catalog, third)).base_id, second);
  const now = ended + 16 * dayMs;
  const keeping = await SetRetention.of(catalog, tenDays);
  assert.ok(keeping.expires(full) < now && keeping.expires(second) < now && keeping.expires(third) > now);
  assert.deepEqual(
    [keeping.unexpiredDependents(full, now), keeping.unexpiredDependents(second, now)],
    [[third], [third]],
  );
  const tape = await tapeAt(catalog, 'T', tenDays, now);
  assert.deepEqual([tape.isRecyclable, tape.until], [false, ended + 18 * dayMs]);
  await assert.rejects(
    erase(catalog, 'T', { retentions: { pools: {}, otherwise: (Date.now() - ended - 6 * dayMs) / 1000 } }),
    new RegExp(`holds set ${full}, on which ${third} builds`),
  );
  assert.equal((await tapeAt(catalog, 'T', tenDays, ended + 18 * dayMs)).isRecyclable, true);
});

test('where the chain has a gap, the files of a set say what holds them', async (t) => {
  const catalog = await newCatalog(t);
  const holder = await endedSet(catalog);
  const id = await endedSet(catalog, { end: ended + 5 * dayMs, tapes: ['U'] });
  await catalog.updateTable('sets').set({ base_id: '2020-01_000001' }).where('id', '=', id).execute();
  const row = { ...fileRow(id, 1, toBytes('x/1/kept')), held_set: holder, held_group: 1 } as const;
  await addFile(catalog, { ...row, state: 'unchanged' });
  assert.equal((await tapeAt(catalog, 'T', tenDays, ended)).until, ended + 15 * dayMs);
  const fromTapes = { base_id: null, options: rebuiltOptions };
  await catalog.updateTable('sets').set(fromTapes).where('id', '=', id).execute();
  assert.equal((await tapeAt(catalog, 'T', tenDays, ended)).until, ended + 15 * dayMs);
});

test('a copy in another pool is kept by that pool, and the set by the longer of the two', async (t) => {
  const catalog = await newCatalog(t);
  const id = await endedSet(catalog, { pool: 'daily' });
  await addCopy(catalog, id, 1, 'V', 'vault', 2);
  const retentions = { pools: { daily: day, vault: 9 * day }, otherwise: null };
  assert.equal((await SetRetention.of(catalog, retentions)).expires(id), ended + 9 * dayMs);
  const now = ended + 2 * dayMs;
  const [daily, vault] = [
    await tapeAt(catalog, 'T', retentions, now),
    await tapeAt(catalog, 'V', retentions, now),
  ];
  assert.deepEqual([daily.isRecyclable, vault.isRecyclable], [true, false]);
  assert.deepEqual([daily.sets[0]?.elsewhere, daily.sets[0]?.remaining], [1, 1]);
  await erase(catalog, 'T', { retentions });
  const { archives, problems } = await planRestore(catalog, id, everything);
  assert.deepEqual([archives.map((archive) => archive.tape), problems], [['uuid of V'], []]);
  assert.equal((await setNamed(catalog, id)).erased_at, null, 'it is whole');
});

test('what an unfinished set or restore needs cannot be erased, whoever says so', async (t) => {
  const catalog = await newCatalog(t);
  const full = await endedSet(catalog);
  const rest = { excludes: [], drive: 'lto1', direct: false, options: {}, pool: 'default' };
  const { set } = await openSet(catalog, { ...rest, sources: ['/x'], mode: 'incremental' }, { fresh: true });
  await assert.rejects(
    erase(catalog, 'T', { evenUnexpired: true }),
    new RegExp(`the set ${set.id}, which is unfinished, builds on what it holds`),
  );
  await recordSetState(catalog, set.id, 'cancelled', null);
  const { archives } = await planRestore(catalog, full, everything);
  const wanted = { kind: 'restore', subject: full, drive: 'lto1', target: '/y', overwrite: 'never' } as const;
  const { id } = await insertRetrieval(catalog, { ...wanted, selection: '{}' }, archives, []);
  await assert.rejects(erase(catalog, 'T', { evenUnexpired: true }), new RegExp(`${id}, .* needs it`));
  await catalog.updateTable('retrievals').set({ state: 'cancelled' }).execute();
  const writing = await openSet(catalog, { ...rest, sources: ['/y'], mode: 'full' }, { fresh: true });
  await addGroup(catalog, writing.set.id, 1, 'T', 'default');
  await assert.rejects(erase(catalog, 'T', { evenUnexpired: true }), /which is unfinished, writes to it/);
  await recordSetState(catalog, writing.set.id, 'completed', null);
  await erase(catalog, 'T', { evenUnexpired: true });
});

test('a set that has lost a part is whole no more, nothing builds on it, and the rest comes back', async (t) => {
  const catalog = await newCatalog(t);
  const id = await endedSet(catalog, { tapes: ['T', 'U'] });
  await erase(catalog, 'T');
  const set = await setNamed(catalog, id);
  assert.deepEqual([set.state, set.reason], ['completed', 'one of its archives was erased with tape T']);
  const { archives, problems } = await planRestore(catalog, id, everything);
  assert.deepEqual(
    archives.map((archive) => archive.group),
    [2],
  );
  assert.match(problems[0]?.reason ?? '', /Group 1 .* is on no tape: it is on none any more/);
  const next = await endedSet(catalog, { mode: 'incremental', tapes: ['V'] });
  assert.equal((await setNamed(catalog, next)).mode, 'full');

  await erase(catalog, 'U');
  assert.equal((await setNamed(catalog, id)).state, 'expired');
  await assert.rejects(setWithFiles(catalog, id), /has expired, and nothing of it is left/);
  for (const table of ['files', 'groups', 'archives', 'copies'] as const) {
    const rows = await catalog.selectFrom(table).select('set_id').where('set_id', '=', id).execute();
    assert.equal(rows.length, 0, table);
  }
  const events = await catalog.selectFrom('events').select('stage').where('set_id', '=', id).execute();
  assert.equal(events.filter((event) => event.stage === 'erased').length, 2);
});

test('a living set whose files are erased with another is whole no more either', async (t) => {
  const catalog = await newCatalog(t);
  const full = await endedSet(catalog);
  const [holds, hasOwn] = [
    await endedSet(catalog, { mode: 'incremental', tapes: ['U'] }),
    await endedSet(catalog, { mode: 'incremental', tapes: ['U'] }),
  ];
  const row = { ...fileRow(holds, 1, toBytes('x/1/kept')), held_set: full, held_group: 1 } as const;
  await addFile(catalog, { ...row, state: 'unchanged' });
  await erase(catalog, 'T', { retentions: forever, evenUnexpired: true });
  const states = await Promise.all([full, holds, hasOwn].map((id) => setNamed(catalog, id)));
  assert.deepEqual(
    states.map((set) => [set.state, set.erased_at !== null]),
    [
      ['expired', true],
      ['completed', true],
      ['completed', false],
    ],
  );
  assert.equal(states[1]?.reason, `files that set ${full} held for it were erased with tape T`);
  const { problems } = await planRestore(catalog, holds, everything);
  assert.match(
    problems[0]?.reason ?? '',
    new RegExp(`Unchanged since set ${full}, whose group 1 is on no tape`),
  );
});

test('a set with archives in staging is not forgotten with its tape', async (t) => {
  const catalog = await newCatalog(t);
  const id = await endedSet(catalog, { state: 'failed' });
  await catalog.updateTable('groups').set({ reserved: 5 }).where('set_id', '=', id).execute();
  await erase(catalog, 'T');
  assert.equal((await setNamed(catalog, id)).state, 'failed');
  const groups = await catalog.selectFrom('groups').select('no').where('set_id', '=', id).execute();
  assert.equal(groups.length, 1);
});
