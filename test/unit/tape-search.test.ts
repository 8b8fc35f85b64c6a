import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { insertRetrieval, recordRetrieval, retrievalNamed } from '../../catalog/retrievals/retrievals.js';
import { endSearch, noteMissing, wantedIn, type DriveLook } from '../../catalog/retrievals/tape-search.js';
import { openNewCatalog } from '../support/catalogs.js';

const holding = (loaded: string): DriveLook => ({ reason: 'wrong_tape', message: '', first: '', loaded });
const held = {
  reason: 'drive_held',
  message: 'The drive lto3 is in use by pid 7.',
  first: 'Wait. ',
  loaded: null,
};
const none = new Map<string, string>();
const notFor = (message: string): DriveLook => ({ reason: 'wrong_pool', message, first: '', loaded: null });

test('a tape is asked for in any drive that can take it, and in one that no set writes with where there is such a one', () => {
  const looks = { lto1: holding('A1'), lto2: holding('A2'), lto3: held };
  const drives = ['lto1', 'lto2', 'lto3'];
  const before =
    'A1 is in drive lto1, A2 is in drive lto2, but B1 is wanted. The drive lto3 is in use by pid 7. Wait.';
  assert.equal(wantedIn('B1', looks, drives, none), `${before} Load the tape B1 into any of lto1, lto2.`);
  assert.equal(
    wantedIn('B1', looks, drives, new Map([['lto1', 'The set S1 writes']])),
    `${before} The set S1 writes with drive lto1. Load the tape B1 into drive lto2.`,
  );
  const all = new Map(drives.map((drive) => [drive, 'The set S1 writes'] as const));
  assert.equal(wantedIn('B1', looks, drives, all), `${before} Load the tape B1 into any of lto1, lto2.`);
  assert.equal(
    wantedIn('B1', { lto1: holding('A1') }, ['lto1', 'lto2'], none),
    'A1 is in drive lto1, but B1 is wanted. The drive lto2 has not answered. Load the tape B1 into drive lto1.',
  );
});

test('a tape that a copy may be written to is asked for by its pool, and the drives are told with what is in them', () => {
  const looks = { lto1: notFor('The tape A1 is of pool A.'), lto2: notFor('The tape B1 is full.') };
  const tape = { any: 'a tape of pool B' };
  assert.equal(
    wantedIn(tape, looks, ['lto1', 'lto2'], none),
    'A tape of pool B is wanted. The tape A1 is of pool A. The tape B1 is full. Load a tape of pool B into any of lto1, lto2.',
  );
});

async function retrieval(t: TestContext) {
  const catalog = await openNewCatalog(t);
  const wanted = { kind: 'verify', subject: 'S', drive: 'lto1', target: null, overwrite: 'never' } as const;
  const { id } = await insertRetrieval(catalog, { ...wanted, selection: '{}' }, [], []);
  const missing = (at: number, drive: string, patient = true) =>
    noteMissing(catalog, id, { at, drives: ['lto1', 'lto2'] }, drive, {
      ...{ look: holding('A1'), tape: 'B1', patient },
    });
  const end = (at: number, drive: string, note?: () => Promise<void>) =>
    endSearch(catalog, id, { at, drives: ['lto1', 'lto2'] }, drive, note);
  const now = async () => {
    const { state, reason } = await retrievalNamed(catalog, id);
    return { state, asks: reason?.replace(/.*wanted\. /, '') ?? null };
  };
  return { catalog, id, missing, end, now };
}

test('nobody is asked for a tape before every drive was looked at, except for drives that do not answer', async (t) => {
  const { missing, now } = await retrieval(t);
  assert.equal(await missing(1, 'lto1'), false);
  assert.deepEqual(await now(), { state: 'running', asks: null });
  assert.equal(await missing(1, 'lto1', false), true);
  const silent = 'The drive lto2 has not answered. Load the tape B1 into drive lto1.';
  assert.deepEqual(await now(), { state: 'waiting_for_tape', asks: silent });
  assert.equal(await missing(1, 'lto2'), true);
  assert.deepEqual(await now(), {
    state: 'waiting_for_tape',
    asks: 'Load the tape B1 into any of lto1, lto2.',
  });
});

test('once one drive has the tape, no late look at another one brings the wait back, or takes another copy', async (t) => {
  const { catalog, id, missing, end, now } = await retrieval(t);
  await missing(1, 'lto1');
  await missing(1, 'lto2');
  assert.equal(await end(1, 'lto2'), true);
  const running = { state: 'running', asks: null };
  assert.deepEqual(await now(), running);
  assert.equal(await missing(1, 'lto1', false), false);
  const never = () => Promise.reject(new Error('another copy is taken'));
  assert.equal(await end(1, 'lto1', never), false);
  assert.deepEqual(await now(), running);
  // An attempt whose answer was lost looks again, and the tape has gone.
  assert.equal(await missing(1, 'lto2', false), true);
  assert.equal((await now()).state, 'waiting_for_tape');

  assert.equal(await missing(2, 'lto1'), false, 'a later search begins anew');
  assert.equal(await missing(1, 'lto2', false), false);
  assert.equal(await end(1, 'lto2', never), false);
  await recordRetrieval(catalog, id, 'cancelled', 'by a command');
  await missing(2, 'lto2');
  assert.equal((await now()).state, 'cancelled');
});

test('the two halves of a copy look for their tapes beside each other, and neither takes an end of the other for its own', async (t) => {
  const { catalog, id, missing, end, now } = await retrieval(t);
  const drives = ['lto1', 'lto2'];
  const writing = { at: 5, drives, half: 'writing' } as const;
  const unfit = (drive: string) =>
    noteMissing(catalog, id, writing, drive, {
      ...{ look: notFor('The tape A1 is of pool A.'), tape: { any: 'a tape of pool B' }, patient: true },
    });
  await missing(1, 'lto1');
  assert.equal(await unfit('lto1'), false, 'the other drive was looked at for the other half alone');
  assert.equal(await missing(1, 'lto2'), true, 'a later search of the other half is not a later one of this');
  assert.equal(await end(1, 'lto2'), true);
  assert.equal(await unfit('lto2'), true);
  assert.deepEqual(await now(), {
    state: 'waiting_for_tape',
    asks: 'The tape A1 is of pool A. The tape A1 is of pool A. Load a tape of pool B into any of lto1, lto2.',
  });
  assert.equal(await endSearch(catalog, id, writing, 'lto1'), true);
  assert.equal(await end(1, 'lto1'), false, 'that one has ended in lto2');
});
