import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { Attempt } from '../../operations/attempt.js';
import { beginPacking } from '../../activities/set/first-archive.js';
import { openSet } from '../../catalog/sets/open-set.js';
import { openNewCatalog } from '../support/catalogs.js';
import { waitFor } from '../support/wait-for.js';

/** Groups of one set that want to be packed, each by an attempt that counts how often it has looked. */
async function groupsOf(t: TestContext) {
  const catalog = await openNewCatalog(t);
  const wanted = { sources: ['/s'], excludes: [], pool: 'default', drive: 'lto1', mode: 'full' };
  const { set } = await openSet(catalog, { ...wanted, direct: false, options: {} }, { fresh: true });
  const setId = set.id;
  const begin = () => {
    const group = { looks: 0, packing: undefined as Awaited<ReturnType<typeof beginPacking>> | undefined };
    const attempt = {
      signal: new AbortController().signal,
      throwIfCancelled: () => (group.looks += 1),
    } as unknown as Attempt;
    const begun = beginPacking(catalog, setId, attempt).then((packing) => {
      group.packing = packing;
      t.after(() => packing.end());
      return packing;
    });
    return { group, begun };
  };
  return { catalog, begin, setId };
}

test('the first group of a set is packed alone, and the others when it has ended', async (t) => {
  const { begin } = await groupsOf(t);
  const first = await begin().begun;
  const [second, third] = [begin(), begin()];
  let bytes = 0;
  await waitFor(() => {
    first.note((bytes += 1));
    return Math.min(second.group.looks, third.group.looks) > 10;
  }, 'both to look for some time');
  assert.deepEqual([second.group.packing, third.group.packing], [undefined, undefined]);
  const before = second.group.looks;
  first.end();
  // Of these two, too, one is the first as long as there is no archive.
  (await Promise.race([second.begun, third.begun])).end();
  await Promise.all([second.begun, third.begun]);
  assert.ok(second.group.looks - before < 10, 'not because the first seems to stand still');
});

test('a first group that stands still holds nobody up', async (t) => {
  const { begin } = await groupsOf(t);
  await begin().begun;
  const second = begin();
  await second.begun;
  assert.ok(second.group.looks > 0, 'it has waited for the first one at the beginning');
});

test('a set that has an archive already is packed side by side at once', async (t) => {
  const { catalog, begin, setId } = await groupsOf(t);
  const empty = new Uint8Array();
  const group = { state: 'compressed', bytes: 1, entries: 1, first_path: empty, last_path: empty } as const;
  await catalog
    .insertInto('groups')
    .values({ ...group, set_id: setId, no: 1, direct: 0, reserved: 0 })
    .execute();
  const archive = {
    size: 1,
    sha256: '',
    manifest_name: 'm',
    manifest_size: 1,
    manifest_sha256: '',
    token: '',
  };
  await catalog
    .insertInto('archives')
    .values({ ...archive, set_id: setId, group_no: 1, name: 'a', bytes_in: 1, members: 1, created_at: 0 })
    .execute();
  await begin().begun;
  const next = begin();
  await next.begun;
  assert.equal(next.group.looks, 0);
});
