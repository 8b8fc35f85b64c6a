import assert from 'node:assert/strict';
import { readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { ApplicationFailure } from '@temporalio/activity';
import { forgetDirect } from '../../operations/tapes/distrust-tape.js';
import { markTapeFound, markTapeLost } from '../../catalog/tapes/lost-tapes.js';
import { openCatalog, type Catalog } from '../../catalog/open-catalog.js';
import { beginCopy } from '../../catalog/copies/copy-states.js';
import { forgetArchive } from '../../catalog/groups/forget-archive.js';
import type { TapeState } from '../../catalog/schema/tape-tables.js';
import { isSetId } from '../../catalog/sets/set-id.js';
import {
  afterTransition,
  transitionTape,
  type TapeStatus,
  type TapeTransition,
} from '../../catalog/tapes/tape-states.js';
import { groupOf } from '../../catalog/groups/groups.js';
import type { TapeRow } from '../../catalog/rows.js';
import { TapeflowFailure } from '../../config/failures.js';
import { eraseTape } from '../../operations/tapes/erase-tape.js';
import { labelFileName } from '../../tape/labels/label.js';
import { labelTape } from '../../operations/tapes/label-tape.js';
import { importTape } from '../../operations/rebuild/import-tape.js';
import { driveSteps } from '../support/drive-steps.js';
import { FakeLtfs } from '../support/fake-ltfs.js';
import { setsInProcess } from '../support/sets-in-process.js';
import { tempFolder } from '../support/trees.js';

const standing = (state: TapeState, ...before: TapeState[]): TapeStatus => ({
  ...{ state, reason: `why ${state}` },
  before: before.map((one) => ({ state: one, reason: `why ${one}` })),
});
const text = (from: TapeStatus | undefined) =>
  from === undefined ? '-' : [from.state, ...from.before.map((one) => one.state)].join('<');

test('a tape goes from state to state by the steps that may be made, and by no other', () => {
  const steps: TapeTransition[] = [
    'fill',
    'regain',
    'distrust',
    'trust',
    'lose',
    'find',
    'erase',
    'relabel',
    'disown',
    'adopt',
  ];
  // A state, those under it, and what each step makes of it.
  const table: Record<string, string> = {
    usable: 'full - suspect - lost<usable - erasing<usable - foreign -',
    full: 'full usable suspect usable lost<full - erasing<full - foreign -',
    suspect: '- - suspect usable lost<suspect - erasing<suspect - - -',
    foreign: '- - - - lost<foreign - - - - usable',
    'lost<usable': '- - lost<suspect - - usable - - - -',
    'lost<full': '- - lost<suspect - - full - - - -',
    'lost<suspect': '- - lost<suspect - - suspect - - - -',
    'lost<foreign': '- - - - - foreign - - - -',
    'lost<erasing<usable': '- - lost<erasing<suspect - - erasing<usable - - - -',
    'lost<erasing<suspect': '- - lost<erasing<suspect - - erasing<suspect - - - -',
    // Of a catalog of an earlier version, which did not note it.
    lost: '- - lost<suspect - - suspect - - - -',
    erasing: '- - erasing<suspect - lost<erasing - - suspect - -',
    'erasing<usable': '- - erasing<suspect - lost<erasing<usable - - usable - -',
    'erasing<full': '- - erasing<suspect - lost<erasing<full - - usable - -',
    'erasing<suspect': '- - erasing<suspect - lost<erasing<suspect - - suspect - -',
  };
  for (const [from, line] of Object.entries(table)) {
    const [state, ...before] = from.split('<') as [TapeState, ...TapeState[]];
    const expected = line.split(' ');
    assert.equal(expected.length, steps.length, from);
    for (const [at, step] of steps.entries())
      assert.equal(
        text(afterTransition(standing(state, ...before), step, 'new')),
        expected[at],
        `${from}, ${step}`,
      );
  }
  const back = afterTransition(standing('lost', 'suspect'), 'find', 'new');
  assert.deepEqual(back, standing('suspect'), 'with its reason');
});

/** Every way to make a tape better but `tape trust`. */
async function lostAndFound(catalog: Catalog, uuid: string, find: () => Promise<unknown>): Promise<void> {
  const row = await catalog
    .selectFrom('tapes')
    .selectAll()
    .where('uuid', '=', uuid)
    .executeTakeFirstOrThrow();
  await markTapeLost(catalog, row);
  await find();
}

/** What `steps.label` wrote, as if another installation had. */
function makeForeign(tape: string): void {
  const file = path.join(tape, labelFileName);
  const label = JSON.parse(readFileSync(file, 'utf8')) as object;
  writeFileSync(file, JSON.stringify({ ...label, installation: '00000000-0000-4000-8000-000000000001' }));
}

async function loaded(t: TestContext) {
  const tape = tempFolder(t);
  const steps = await driveSteps(t, tape);
  const row = await steps.label('T1');
  const { catalog, drive, lock, logger } = steps.deps;
  const retentions = { pools: {}, otherwise: null };
  return {
    ...{ tape, steps, row, catalog },
    read: (adopt = false) =>
      importTape({
        ...{ drive, lock, catalog, adopt, scratch: path.join(tempFolder(t), 'scratch') },
        ...{ say: () => undefined, onArchive: () => undefined },
      }),
    label: (name: string) => labelTape(drive, lock, catalog, { name, pool: 'default', force: false }),
    erase: (evenUnexpired = true, formatted = false) =>
      eraseTape(
        { drive, lock, catalog, logger, guard: () => undefined },
        { tape: row.uuid, retentions, evenUnexpired, formatted },
      ),
    relabel: (name: string) => labelTape(drive, lock, catalog, { name, pool: 'default', force: true }),
    async lose() {
      await forgetDirect({ catalog, logger }, await markTapeLost(catalog, row), 'the tape is lost');
    },
    found: async () => (await markTapeFound(catalog, row)).tape.state,
    state: async () => (await steps.tape('T1')).state,
  };
}

/** A failure of that reason, from a step or from an activity, and what it says. */
const code = (expected: string, message: RegExp) => (error: unknown) => {
  const is =
    error instanceof TapeflowFailure
      ? { text: error.sentence, reason: error.details['reason'] ?? error.code }
      : error instanceof ApplicationFailure
        ? { text: error.message, reason: (error.details?.[0] as { reason?: string } | undefined)?.reason }
        : assert.fail(String(error));
  assert.match(is.text, message);
  assert.equal(is.reason, expected);
  return true;
};

test('a suspect tape that is lost and found, read, labelled or erased is suspect', async (t) => {
  const { steps, row, catalog, read, erase, relabel, state } = await loaded(t);
  await steps.distrust('T1');
  await lostAndFound(catalog, row.uuid, () => markTapeFound(catalog, row));
  assert.equal(await state(), 'suspect');
  await lostAndFound(catalog, row.uuid, read);
  assert.equal(await state(), 'suspect');
  assert.match((await steps.tape('T1')).reason ?? '', /distrusted by a command/);
  await assert.rejects(relabel('T2'), code('LabelRefused', /T1, which is suspect/));
  const { tape } = await erase();
  assert.equal(tape.state, 'suspect');
  await steps.stage(1);
  await assert.rejects(steps.write(1), code('suspect', /not trusted any more/));
  await steps.trust(tape.uuid);
  await steps.write(1);
});

test('a tape that is lost is neither labelled nor erased, whatever has expired', async (t) => {
  const { steps, row, erase, relabel, lose, found, state } = await loaded(t);
  await steps.stage(1);
  await steps.write(1);
  await steps.sync(row.uuid, [1]);
  await lose();
  await assert.rejects(erase(), code('LostTape', /tape found T1/));
  await assert.rejects(relabel('T2'), code('LabelRefused', /tape found T1/));
  assert.equal(readdirSync(path.dirname(steps.onTape(1))).length, 2);
  assert.equal(await found(), 'usable');
  assert.equal(await steps.copy(1), 'committed');
  assert.equal(await state(), 'usable');
});

test('a half-erased tape that is lost and found, or read, is half-erased', async (t) => {
  const { steps, row, catalog, read, erase, state } = await loaded(t);
  await transitionTape(catalog, row.uuid, 'erase', 'begun');
  await lostAndFound(catalog, row.uuid, () => markTapeFound(catalog, row));
  assert.equal(await state(), 'erasing');
  await assert.rejects(read(), code('erasing', /tape erase T1 --yes` ends it/));
  await lostAndFound(catalog, row.uuid, () => read().catch(() => undefined));
  assert.equal(await state(), 'erasing');
  await steps.stage(1);
  await assert.rejects(steps.write(1), code('erasing', /has not ended/));
  assert.equal((await erase()).tape.state, 'usable');
});

test('whose a tape is its label says, at every write, sync and erasing, whatever the catalog says of it', async (t) => {
  const { tape, steps, row, read, erase, lose, found, state } = await loaded(t);
  await steps.stage(1);
  await steps.stage(2);
  await steps.write(1);
  makeForeign(tape);
  assert.equal(await state(), 'usable', 'the catalog does not know it yet');
  const before = readdirSync(path.join(tape, steps.setId));
  await assert.rejects(steps.write(2), code('foreign', /belongs to another installation/));
  await assert.rejects(steps.sync(row.uuid, [1]), code('foreign', /belongs to another installation/));
  for (const evenUnexpired of [true, false])
    await assert.rejects(erase(evenUnexpired), code('ForeignTape', /never written to or erased/));
  await read();
  assert.equal(await state(), 'foreign');
  await lose();
  assert.equal(await found(), 'foreign');
  await lose();
  await read();
  assert.equal(await state(), 'foreign');
  await assert.rejects(steps.write(2), code('foreign', /tape catalog --adopt/));
  await assert.rejects(erase(), code('ForeignTape', /never written to or erased/));
  assert.deepEqual(readdirSync(path.join(tape, steps.setId)), before);
});

test('a tape that was formatted before it was erased gets its label again when a person says that it is the one', async (t) => {
  const { tape, steps, row, catalog, erase, label, state } = await loaded(t);
  await steps.stage(1);
  await steps.write(1);
  await steps.sync(row.uuid, [1]);
  const formatted = (evenUnexpired = true) => erase(evenUnexpired, true);
  await assert.rejects(formatted(), code('TapeInUse', /is unfinished, writes to it/));
  await catalog.updateTable('sets').set({ state: 'completed' }).execute();
  await assert.rejects(label('T2'), code('LabelRefused', /is labelled T1/), 'it has its label still');
  for (const name of readdirSync(tape)) rmSync(path.join(tape, name), { recursive: true });

  await assert.rejects(label('T1'), code('LabelRefused', /T1 already\. .*tape erase T1 --yes --formatted/));
  await assert.rejects(
    erase(),
    code('EraseRefused', /is empty and has no label\. .*--yes --formatted.*else load T1/),
  );
  await assert.rejects(formatted(false), code('TapeNeeded', /has not expired/));
  writeFileSync(path.join(tape, 'mine'), 'x');
  await assert.rejects(
    formatted(),
    code('EraseRefused', /was not formatted since it was T1: it is not empty/),
  );
  await assert.rejects(label('T1'), code('LabelRefused', /T1 already\. Choose another name/));
  assert.deepEqual([await steps.copy(1), await state()], ['committed', 'usable'], 'nothing was given up');
  rmSync(path.join(tape, 'mine'));

  const { tape: again } = await formatted();
  assert.deepEqual([again.name, again.state, again.uuid === row.uuid], ['T1', 'usable', false]);
  assert.equal(
    (JSON.parse(readFileSync(path.join(tape, labelFileName), 'utf8')) as TapeRow).uuid,
    again.uuid,
  );
  assert.equal(await steps.copy(1), undefined);
  await steps.stage(2);
  await steps.write(2);
});

test('an LTFS tape that was formatted has another volume id; one that was only emptied is not taken for it', async (t) => {
  const ltfs = await FakeLtfs.make(t);
  if (ltfs === undefined) return;
  const steps = await driveSteps(t, ltfs.mount, 'ltfs');
  const row = await steps.label('LTO1');
  const { catalog, drive, lock, logger } = steps.deps;
  const retentions = { pools: {}, otherwise: null };
  const erase = (wish: object) =>
    eraseTape(
      { drive, lock, catalog, logger, guard: () => undefined },
      { tape: row.uuid, retentions, evenUnexpired: true, ...wish },
    );
  rmSync(path.join(ltfs.mount, labelFileName));
  await assert.rejects(erase({ formatted: true }), code('EraseRefused', /or has the same volume id/));
  await ltfs.eject();
  ltfs.store = tempFolder(t);
  await ltfs.load();
  await assert.rejects(erase({}), code('EraseRefused', /is empty and has no label/));
  const { tape } = await erase({ formatted: true });
  assert.deepEqual([tape.name, tape.state, tape.volume === row.volume], ['LTO1', 'usable', false]);
});

test('a tape that is adopted says so in its label, and is written to', async (t) => {
  const { tape, steps, read, state } = await loaded(t);
  const own = readFileSync(path.join(tape, labelFileName), 'utf8');
  makeForeign(tape);
  await read();
  assert.equal(await state(), 'foreign');
  const { tape: adopted } = await read(true);
  assert.equal(adopted.state, 'usable');
  assert.deepEqual(JSON.parse(readFileSync(path.join(tape, labelFileName), 'utf8')), JSON.parse(own));
  await steps.stage(1);
  await steps.write(1);
  makeForeign(tape);
  await read();
  writeFileSync(path.join(tape, labelFileName), own);
  await read();
  assert.equal(await state(), 'usable', 'a kill after the label was written is mended by the next reading');
});

test('no copy begins on a tape that was given up since it was looked at', async (t) => {
  const { steps, row, catalog, lose } = await loaded(t);
  await steps.stage(1);
  const begin = () =>
    beginCopy(catalog, { setId: steps.setId, group: 1, copyNo: 1, tape: row, token: 'x', direct: false });
  await lose();
  await assert.rejects(begin(), code('lost', /T1 is lost/));
  assert.equal(await steps.copy(1), undefined);
});

test('staged archives of a group that a lost tape puts back into the queue are not deleted', async (t) => {
  const { steps, row, catalog, lose, found } = await loaded(t);
  for (const group of [1, 2]) {
    await steps.stage(group);
    await steps.write(group);
  }
  await steps.sync(row.uuid, [1, 2]);
  await steps.release([2]);
  assert.equal(steps.isStaged(2), false);
  // Between the release's first look and its deletion.
  steps.deps.catalog = whenWriting(catalog, async (work) => {
    await markTapeLost(catalog, row);
    return catalog.transaction().execute(work);
  });
  await steps.release([1]);
  assert.equal((await groupOf(catalog, steps.setId, 1)).state, 'queued');
  assert.ok(steps.isStaged(1), 'they are the last bytes of it');
  steps.deps.catalog = catalog;
  await found();
  assert.equal((await groupOf(catalog, steps.setId, 1)).state, 'committed');
  await steps.release([1]);
  assert.equal(steps.isStaged(1), false);
  await lose();
});

test('what a lost tape held counts no more when it is found, once its group was begun anew', async (t) => {
  const { steps, row, catalog, lose, found } = await loaded(t);
  await steps.stage(1);
  await steps.write(1);
  await steps.sync(row.uuid, [1]);
  await lose();
  const damaged = { set_id: steps.setId, group_no: 1, token: 'made' };
  assert.ok(await forgetArchive(catalog, damaged, 'its staged bytes are damaged'));
  await found();
  assert.equal(await steps.copy(1), 'lost', 'the archive on it is another one');
  assert.equal((await groupOf(catalog, steps.setId, 1)).state, 'planned');
});

test('the catalog is not locked while a tape is read into it', async (t) => {
  const source = tempFolder(t);
  for (const name of ['a', 'b', 'c']) writeFileSync(path.join(source, name), name);
  const { backUp, tapeDir, drive, lock } = await setsInProcess(t);
  await backUp(source, 'full');
  const folder = tempFolder(t);
  const fresh = await openCatalog(path.join(folder, 'catalog.db'));
  t.after(() => fresh.destroy());
  // While the write lock is held, no archive or manifest can be read.
  let locked = 0;
  const catalog = whenWriting(fresh, async (work) => {
    const sets = readdirSync(tapeDir).filter(isSetId);
    for (const name of sets) renameSync(path.join(tapeDir, name), path.join(tapeDir, `away-${name}`));
    locked += 1;
    try {
      return await fresh.transaction().execute(work);
    } finally {
      for (const name of sets) renameSync(path.join(tapeDir, `away-${name}`), path.join(tapeDir, name));
    }
  });
  const reading = await importTape({
    ...{ drive, lock, catalog, scratch: path.join(folder, 'scratch') },
    ...{ say: () => undefined, onArchive: () => undefined },
  });
  assert.deepEqual(reading.troubles, []);
  assert.equal(reading.counts.added, 1);
  assert.ok(locked > 0);
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.startsWith('scratch')),
    [],
  );
});

/** A catalog of which every transaction goes through `wrap`. */
function whenWriting(
  catalog: Catalog,
  wrap: <Result>(work: (tx: Catalog) => Promise<Result>) => Promise<Result>,
): Catalog {
  return new Proxy(catalog, {
    get(target, key) {
      const value = Reflect.get(target, key, target) as unknown;
      if (key === 'transaction') return () => ({ execute: wrap });
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}
