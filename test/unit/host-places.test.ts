import assert from 'node:assert/strict';
import { cpSync, mkdirSync, renameSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { hostsInTwoPlaces, signPlace } from '../../catalog/hosts/host-places.js';
import { goneAfterMs } from '../../catalog/hosts/host-conflict.js';
import { hostLives, registerHost } from '../../catalog/hosts/hosts.js';
import { checkHosts } from '../../client/checks/host-checks.js';
import { keepThisHost } from '../../disk/this-host.js';
import { placeId } from '../../disk/this-place.js';
import { openNewCatalog } from '../support/catalogs.js';
import { tempFolder } from '../support/trees.js';

const at = (id: string) => ({ id, machine: `${id}.example`, dataDir: `/data/${id}` });

test('a data folder that was copied is another place, one that was renamed is not', (t) => {
  const root = tempFolder(t);
  const [first, copy, renamed] = ['first', 'copy', 'renamed'].map((name) => path.join(root, name)) as [
    string,
    string,
    string,
  ];
  mkdirSync(first);
  keepThisHost(first, 'fs1');
  cpSync(first, copy, { recursive: true, preserveTimestamps: true });
  assert.notEqual(placeId(first), placeId(copy));
  const before = placeId(first);
  renameSync(first, renamed);
  assert.equal(placeId(renamed), before);
});

test('two places that sign in turns are noticed by both; one that follows another is not', async (t) => {
  const catalog = await openNewCatalog(t);
  // Several workers of one machine.
  assert.equal(await signPlace(catalog, 'fs1', at('a'), false), undefined);
  assert.equal(await signPlace(catalog, 'fs1', at('a'), false), undefined);
  assert.equal(await signPlace(catalog, 'fs1', at('a'), true), undefined);
  // After a reboot, or a restored backup, at once: nobody of the former place signs any more.
  assert.equal(await signPlace(catalog, 'fs1', at('b'), false), undefined);
  assert.equal(await signPlace(catalog, 'fs1', at('b'), true), undefined);
  assert.equal((await hostsInTwoPlaces(catalog)).size, 0);
  // A worker of a copy begins, while one of the former place goes on.
  assert.equal(await signPlace(catalog, 'fs1', at('copy'), false), undefined);
  assert.deepEqual(await signPlace(catalog, 'fs1', at('b'), true), at('copy'));
  assert.deepEqual(await signPlace(catalog, 'fs1', at('copy'), true), at('b'));
  assert.equal(await signPlace(catalog, 'other', at('c'), false), undefined);
  const found = await hostsInTwoPlaces(catalog);
  assert.deepEqual([...found.keys()], ['fs1']);
  assert.deepEqual(
    found.get('fs1')?.map(({ id }) => id),
    ['copy', 'b'],
  );

  const self = { name: 'fs1', id: 'i', machine: 'm', dataDir: '/d', version: '0', embedded: false };
  await registerHost(catalog, { ...self, isNamed: true, catalogUrl: '' });
  await hostLives(catalog, { name: 'fs1', id: 'i' }, true);
  const [check] = await checkHosts({ catalog: async () => catalog });
  assert.match(
    check?.finding ?? '',
    /at work in two places at once, \/data\/copy on the machine copy\.example and/,
  );
  assert.equal(check?.level, 'trouble');
  assert.match(check?.advice ?? '', /Stop the workers of one/);

  // When one of them has stopped, it is over a while later.
  const key = 'host_place:fs1';
  const { value } = await catalog
    .selectFrom('meta')
    .select('value')
    .where('key', '=', key)
    .executeTakeFirstOrThrow();
  const signed = JSON.parse(value) as { twin: { at: number } };
  signed.twin.at -= goneAfterMs;
  await catalog
    .updateTable('meta')
    .set({ value: JSON.stringify(signed) })
    .where('key', '=', key)
    .execute();
  assert.equal((await hostsInTwoPlaces(catalog)).size, 0);
  assert.deepEqual(await checkHosts({ catalog: async () => catalog }), []);
});
