import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { insertTape } from '../../catalog/tapes/tapes.js';
import { recordEvents } from '../../catalog/groups/events.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import type { CopyRow } from '../../catalog/rows.js';
import { openSet } from '../../catalog/sets/open-set.js';
import { checksumLine } from '../../client/report/checksum-line.js';
import { html } from '../../client/report/html.js';
import { ticksTo } from '../../client/report/plot.js';
import { reportObject } from '../../client/report/report-object.js';
import { reportPage } from '../../client/report/report-page.js';
import { reportTables } from '../../client/report/report-tables.js';
import { writeReport } from '../../client/report/write-report.js';
import { readReport, type Report } from '../../operations/report/report.js';
import { openNewCatalog } from '../support/catalogs.js';
import { tapeRow } from '../support/tape-rows.js';
import { tempFolder } from '../support/trees.js';

const dayMs = 86_400_000;
const now = new Date(2026, 10, 28, 12).getTime();
const ago = (days: number) => now - days * dayMs;
const hostile = '/srv/<script>alert(1)</script>"\'&\u202e';

function reportOf(catalog: Catalog, days = 30, retention: number | null = null): Promise<Report> {
  const retentions = { pools: {}, otherwise: retention };
  return readReport(catalog, { from: ago(days), to: now, retentions, noSuccessDays: 8 });
}

/** A set that has ended, with an archive of so many bytes, and its copies on tapes. */
async function made(
  catalog: Catalog,
  set: { id: string; at: number; bytes: number; found: number; source?: string },
  copies: Partial<CopyRow>[],
): Promise<void> {
  const { id, at, bytes, found, source = '/srv' } = set;
  const wanted = { sources: [source], excludes: [], pool: 'A', drive: 'lto1', mode: 'full', direct: false };
  await openSet(catalog, { ...wanted, id, options: '{}' }, { fresh: true });
  await catalog
    .updateTable('sets')
    .set({ state: 'completed', scanned: 1, created_at: at, finished_at: at + 60_000 })
    .set({ holdings: JSON.stringify([{ files: found / 100, bytes: found }]) })
    .where('id', '=', id)
    .execute();
  const archive = {
    ...{ set_id: id, group_no: 1, name: `backup_${id}_000001.tar.gz`, size: bytes, sha256: '' },
    ...{
      manifest_name: '',
      manifest_size: 0,
      manifest_sha256: '',
      token: 't',
      bytes_in: 2 * bytes,
      members: 7,
    },
    ...{ created_at: at, block_bytes: null, blocks: null },
  };
  await catalog
    .insertInto('groups')
    .values({
      ...{ set_id: id, no: 1, state: 'released', bytes, entries: 7, direct: 0, reserved: 0 },
      ...{ first_path: new Uint8Array(), last_path: new Uint8Array() },
    })
    .execute();
  await catalog.insertInto('archives').values(archive).execute();
  for (const [index, copy] of copies.entries()) {
    const row = {
      set_id: id,
      group_no: 1,
      copy_no: index + 1,
      tape_uuid: 'A1',
      state: 'committed',
      token: 't',
    } as const;
    await catalog
      .insertInto('copies')
      .values({ ...row, written_at: at, committed_at: at, verified_at: null, damage: null, ...copy })
      .execute();
    const written = { setId: id, group: 1, stage: 'written', bytes, ms: 2000, at };
    await recordEvents(catalog, [written]);
  }
}

/** Two sets of a tree, one before the last 30 days, and one of another. */
async function someSets(catalog: Catalog): Promise<void> {
  await insertTape(catalog, { ...tapeRow('A1', 'A1', 'A'), capacity: 1000, free: 400 });
  await insertTape(catalog, tapeRow('B1', 'B1', 'B'));
  await made(catalog, { id: '2026-10_000001', at: ago(40), bytes: 300, found: 1000 }, [{ verified_at: now }]);
  await made(catalog, { id: '2026-11_000001', at: ago(3), bytes: 200, found: 1500 }, [
    {},
    { tape_uuid: 'B1' },
  ]);
  const other = { id: '2026-11_000002', at: ago(2), bytes: 100, found: 100, source: hostile };
  await made(catalog, other, [{ damage: 'wrong hash' }]);
}

test('an empty catalog makes a report, on a terminal, as a page and as an object', async (t) => {
  const report = await reportOf(await openNewCatalog(t));
  assert.deepEqual(report.trees, []);
  assert.ok(reportTables(report, { allSets: true }).every(({ rows }) => rows.length === 0));
  assert.match(reportPage(report, { installation: 'i', host: 'h' }), /There are no sets yet/);
  assert.doesNotThrow(() => JSON.stringify(reportObject(report)));
});

test('what came in the period, how trees grew, and how fast it was written', async (t) => {
  const catalog = await openNewCatalog(t);
  await someSets(catalog);
  const report = await reportOf(catalog);
  assert.deepEqual(
    report.sets.map(({ setId, archives, bytesIn, bytesOut, written, writeSeconds }) => [
      ...[setId, archives, bytesIn, bytesOut, written, writeSeconds],
    ]),
    [
      ['2026-11_000001', 1, 400, 200, 400, 4],
      ['2026-11_000002', 1, 200, 100, 100, 2],
    ],
  );
  const [srv, other] = report.trees;
  assert.deepEqual([srv?.sets, srv?.succeeded, srv?.size?.bytes, srv?.formerSize?.bytes], [1, 1, 1500, 1000]);
  assert.equal(other?.formerSize, null, 'one set alone shows no growth');
  assert.deepEqual(report.growth.before, { archives: 1, bytes: 300 });
  assert.deepEqual(report.growth.added, { archives: 3, bytes: 500 });
  assert.equal(report.growth.steps.at(-1)?.total, 800);
  assert.deepEqual(
    report.tapes.map(({ name, archives, bytes }) => [name, archives, bytes]),
    [
      ['A1', 2, 300],
      ['B1', 1, 200],
    ],
  );
  assert.deepEqual((await reportOf(catalog, 60)).growth.before, { archives: 0, bytes: 0 });
});

test('what has one copy, none, or was never read back is told for each tree', async (t) => {
  const catalog = await openNewCatalog(t);
  await someSets(catalog);
  const { trees, facts } = await reportOf(catalog);
  assert.deepEqual(
    trees.map(({ archives, single, singleBytes, none, unverified }) => [
      ...[archives, single, singleBytes, none, unverified],
    ]),
    [
      [2, 1, 300, 0, 1],
      [1, 0, 0, 1, 0],
    ],
  );
  assert.deepEqual(
    facts.map(({ event }) => event),
    ['damage'],
  );
});

test('what has expired, what will, and what is kept for ever', async (t) => {
  const catalog = await openNewCatalog(t);
  await someSets(catalog);
  const day = 86_400;
  const ids = (of: Report['expired']) => of.map(({ setId }) => setId);
  const kept = await reportOf(catalog, 30, null);
  assert.deepEqual([ids(kept.expired), ids(kept.expiring), kept.keptForEver], [[], [], 3]);
  const short = await reportOf(catalog, 30, 20 * day);
  assert.deepEqual(ids(short.expired), ['2026-10_000001']);
  assert.deepEqual(ids(short.expiring), ['2026-11_000001', '2026-11_000002']);
  assert.deepEqual(ids((await reportOf(catalog, 5, 20 * day)).expiring), []);
});

test('names stay text in a page, which has no script and asks for nothing', async (t) => {
  const catalog = await openNewCatalog(t);
  await someSets(catalog);
  const page = reportPage(await reportOf(catalog), { installation: '<i>', host: 'h' });
  assert.ok(!page.includes('<script'), 'a name became an element');
  assert.ok(!page.includes('\u202e'), 'a name turned the direction of writing');
  assert.ok(page.includes('/srv/&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;\\xe2\\x80\\xae'));
  assert.doesNotMatch(page, /(src|href)=|url\(|@import/);
  assert.equal(page.match(/<svg/g)?.length, 3);
  assert.equal(html`${['<', 1, html`<b></b>`]}`.text, '&lt;1<b></b>');
});

test('an axis has a few round values up to the largest one', () => {
  assert.deepEqual(ticksTo(0), [0, 1]);
  assert.deepEqual(ticksTo(1), [0, 0.5, 1]);
  assert.deepEqual(ticksTo(730), [0, 200, 400, 600, 800]);
  for (const largest of [1, 7, 99, 1e12, 3.3e15]) {
    const ticks = ticksTo(largest);
    assert.ok((ticks.at(-1) ?? 0) >= largest && ticks.length <= 6, String(largest));
  }
});

test('what began today is shown in its week, and no two marks of an axis say the same', async (t) => {
  const catalog = await openNewCatalog(t);
  await insertTape(catalog, tapeRow('A1', 'A1', 'A'));
  await made(catalog, { id: '2026-11_000001', at: now - 60_000, bytes: 100, found: 200 }, [
    { committed_at: now - 50_000 },
  ]);
  for (const days of [30, 1]) {
    const page = reportPage(await reportOf(catalog, days), { installation: '', host: 'h' });
    const plots = [...page.matchAll(/<svg[\s\S]*?<\/svg>/g)].map(([svg]) => svg);
    assert.equal(plots.length, 3);
    for (const svg of plots) {
      const marks = [...svg.matchAll(/>\s*([\d-]+(?: [\d:]+)?)\s*<\/text/g)].map(([, mark]) => mark);
      assert.deepEqual([marks.length, new Set(marks).size], [5, 5], `${days} days: ${marks.join(', ')}`);
    }
  }
});

test('a report replaces an earlier one, and no other file', async (t) => {
  const page = reportPage(await reportOf(await openNewCatalog(t)), { installation: '', host: 'h' });
  const file = path.join(tempFolder(t), 'report.html');
  for (const _ of [1, 2]) writeReport(file, page);
  assert.equal(readFileSync(file, 'utf8'), page);
  assert.equal(statSync(file).mode & 0o077, 0);
  writeFileSync(file, 'my thesis');
  assert.throws(() => writeReport(file, page), { code: 'WrongFile' });
  assert.equal(readFileSync(file, 'utf8'), 'my thesis');
  assert.throws(() => writeReport(path.join(file, 'x'), page), { code: 'ReportNotWritten' });
});

test('sha256sum reads a list of checksums, with names of any bytes', (t) => {
  const folder = tempFolder(t);
  const names = [
    'plain',
    ' a  b',
    '*star',
    'back\\slash',
    'new\nline',
    'r\rr',
    '\xff\xfe',
    '\xc3\xa9',
    '#',
    '\\',
  ];
  const lines = names.map((name) => {
    writeFileSync(Buffer.from(`${folder}/${name}`, 'latin1'), name);
    return checksumLine(createHash('sha256').update(name).digest('hex'), Buffer.from(name, 'latin1'));
  });
  const check = () =>
    spawnSync('sha256sum', ['--check', '--strict', '--status', '-'], {
      cwd: folder,
      input: Buffer.concat(lines),
    });
  assert.equal(check().status, 0);
  writeFileSync(path.join(folder, 'new\nline'), 'changed');
  assert.equal(check().status, 1);
});
