import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { layerOf } from '../../catalog/files/entry-rows.js';
import { openCatalog } from '../../catalog/open-catalog.js';
import type { ComparedRow } from '../../catalog/sets/compared-layer.js';
import { ComparedRows } from '../../catalog/sets/compared-rows.js';
import { fromBytes, toBytes } from '../../entry/byte-string.js';
import { GroupPlanner } from '../../source/group-planner.js';
import { BaseReader } from '../../source/read-base-in-thread.js';
import { begin, complete, file, limits, longAgo, scan } from '../support/scanned-sets.js';
import { tempFolder } from '../support/trees.js';

async function rowsIn(pages: AsyncIterable<ComparedRow[]> | undefined): Promise<ComparedRow[]> {
  assert.ok(pages);
  const rows: ComparedRow[] = [];
  for await (const page of pages) rows.push(...page);
  return rows;
}

test('a large base is read in a thread ahead of the scan, and the scan finds in it what it finds without', async (t) => {
  const at = path.join(tempFolder(t), 'catalog.db');
  const catalog = await openCatalog(at);
  t.after(() => catalog.destroy());
  const odd = ['a\n', 'b \xc3\xa9', 'c\xff\xfe', 'd'].map((name, i) =>
    file(name, { ino: 2n ** 63n + BigInt(i) }),
  );
  const names = Array.from({ length: 12_000 }, (_, i) => `n${String(i).padStart(6, '0')}`);
  const tree = [...odd, ...names.map((name, i) => file(name, { ino: i + 1, size: i % 7 }))];
  const large = { ...limits, groupBytes: 5000 };
  const full = await begin(catalog, 'full');
  const first = await GroupPlanner.resume(catalog, full, large);
  for (const entry of tree) await first.planner.add(entry);
  await first.planner.finish([]);
  await complete(catalog, full);
  const later = tree.map((entry, i) => (i % 1000 === 9 ? file(entry.name, { ctime: longAgo + 60 }) : entry));
  const second = await begin(catalog, 'incremental');
  await scan(catalog, second, later);
  await complete(catalog, second);

  const reader = new BaseReader(at, 0);
  t.after(() => reader.close());
  const known = await rowsIn((await ComparedRows.of(catalog, second)).pages(undefined));
  assert.equal(known.length, tree.length);
  assert.ok(known.some((row) => row.large_ino !== null && row.ino === null && row.part > 0));
  for (const after of [undefined, 'n004321']) {
    // More pages than are read ahead, and one that is left in its middle.
    await reader.pagesOf(second, known.length, undefined)?.next();
    assert.deepEqual(
      await rowsIn(reader.pagesOf(second, known.length, after === undefined ? undefined : toBytes(after))),
      known.filter(({ name }) => after === undefined || name > after),
    );
  }

  const third = await begin(catalog, 'incremental');
  const { planner } = await GroupPlanner.resume(catalog, third, limits, { ahead: reader });
  const last = later
    .filter(({ name }) => name !== 'n000123')
    .map((entry) => (entry.name === 'n011999' ? file(entry.name, { ctime: longAgo + 120 }) : entry));
  for (const entry of last) await planner.add(entry);
  await planner.finish([]);
  const own = await catalog
    .selectFrom('layer_files')
    .select(['path', 'state'])
    .where('layer', '=', layerOf(third))
    .execute();
  assert.deepEqual(own.map((row) => `${fromBytes(row.path)} ${row.state}`).sort(), [
    'n000123 gone',
    'n011999 planned',
  ]);
});

test('a base that cannot be read fails the scan with the reason, and a small one is read without a thread', async (t) => {
  const at = path.join(tempFolder(t), 'catalog.db');
  writeFileSync(at, 'no database'.repeat(1000));
  const reader = new BaseReader(at);
  t.after(() => reader.close());
  assert.equal(reader.pagesOf('2026-11_000001', 20_000, undefined), undefined);
  await assert.rejects(rowsIn(reader.pagesOf('2026-11_000001', 20_001, undefined)), /catalog\.db is damaged/);
});
