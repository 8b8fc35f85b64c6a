import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { scanSources } from '../../activities/set/scan-sources.js';
import { holdingsOf } from '../../catalog/sets/holdings.js';
import { openSet } from '../../catalog/sets/open-set.js';
import { dryRun } from '../../client/commands/set/dry-run.js';
import type { Session } from '../../client/session.js';
import { setNamed } from '../../catalog/sets/sets.js';
import { snapshotOptions } from '../../operations/sets/set-options.js';
import { setsInProcess } from '../support/sets-in-process.js';
import { tempFolder } from '../support/trees.js';

interface Ask {
  mode?: string;
  excludes?: string[];
  allowShrunk?: boolean;
}

/** Sets that are scanned; one whose scan succeeds counts as complete. */
async function scans(t: TestContext) {
  const { catalog, deps, attempt } = await setsInProcess(t);
  const options = snapshotOptions(deps.settings);
  const rescan = async (id: string): Promise<string> => {
    await attempt(() => scanSources(deps, id));
    await catalog.updateTable('sets').set({ state: 'completed' }).where('id', '=', id).execute();
    return id;
  };
  const open = async (sources: string[], { mode = 'full', excludes = [], allowShrunk }: Ask = {}) => {
    const wanted = { sources, excludes, pool: 'default', drive: 'lto1', mode, direct: false, allowShrunk };
    return (await openSet(catalog, { ...wanted, options }, { fresh: true })).set.id;
  };
  const scan = async (sources: string[], ask?: Ask) => rescan(await open(sources, ask));
  /** The refusal, and that nothing of the set is in the catalog by then. */
  const refused = async (sources: string[], message: RegExp, ask?: Ask) => {
    const id = await open(sources, ask);
    await assert.rejects(rescan(id), { type: 'SourceShrunk', nonRetryable: true, message });
    for (const table of ['groups', 'files', 'events'] as const)
      assert.deepEqual(await catalog.selectFrom(table).selectAll().where('set_id', '=', id).execute(), []);
    assert.equal((await setNamed(catalog, id)).scanned, 0);
    return id;
  };
  return { deps, catalog, scan, rescan, refused };
}

function fill(folder: string, count: number, text = 'x'): void {
  mkdirSync(folder, { recursive: true });
  for (let no = 0; no < count; no += 1) writeFileSync(path.join(folder, `file ${no}`), text);
}

/** Leaves the first few files, as an unmounted share leaves what lies under it. */
function leave(folder: string, count: number): void {
  for (const name of readdirSync(folder).sort().slice(count))
    rmSync(path.join(folder, name), { recursive: true });
}

test('a source that is suddenly empty is refused before anything of the set is written, however few files it had', async (t) => {
  const { scan, rescan, refused } = await scans(t);
  const source = tempFolder(t);
  mkdirSync(path.join(source, 'folder'));
  await scan([source]);
  fill(source, 3);
  const full = await scan([source]);
  leave(source, 0);
  const message = new RegExp(
    `^The source ${source} is empty, without the 3 files \\(3 B\\) that set ${full} found there\\. ` +
      'See whether it is mounted and whole, .*; if it is meant to be so, run it with --allow-shrunk\\.$',
  );
  await refused([source], message);
  const incremental = await refused([source], message, { mode: 'incremental' });
  fill(source, 3);
  await rescan(incremental);
  leave(source, 0);
  await scan([source], { allowShrunk: true });
  await scan([source]);
});

test('less than a tenth of the files, or of the bytes of a few large ones, is refused; a tenth is not', async (t) => {
  const { scan, refused } = await scans(t);
  const source = tempFolder(t);
  fill(source, 41);
  const before = await scan([source]);
  leave(source, 4);
  const most = `less than a tenth of the 41 files \\(41 B\\) that set ${before} found there`;
  await refused([source], new RegExp(`^The source ${source} holds 4 files \\(4 B\\), ${most}\\.`));
  fill(source, 5);
  await scan([source]);

  const image = path.join(tempFolder(t), 'disk.img');
  writeFileSync(image, '');
  truncateSync(image, 200 * 1024 ** 2);
  await scan([image]);
  truncateSync(image, 19 * 1024 ** 2);
  await refused([image], /holds 1 file \(19.92 MB\), less than a tenth of the 1 file \(209.71 MB\)/);
  truncateSync(image, 20 * 1024 ** 2);
  await scan([image]);
  truncateSync(image, 0);
  await scan([image]);
});

test('a dry run says that a set would be refused, and ends as that would', async (t) => {
  const { deps, catalog, scan } = await scans(t);
  const source = tempFolder(t);
  fill(source, 20);
  await scan([source]);
  leave(source, 1);
  const said: unknown[] = [];
  const says = { print: (line: string) => said.push(line), say: (line: string) => said.push(line) };
  const session = { settings: deps.settings, json: false, catalog: () => Promise.resolve(catalog), ...says };
  const asked = { sources: [source], excludes: [], taken: {} };
  const planned = {
    pool: 'default',
    drive: 'lto1',
    places: undefined,
    direct: false,
    mode: 'full',
    host: null,
  };
  const before = process.exitCode;
  try {
    await dryRun(session as unknown as Session, planned, asked);
    assert.equal(process.exitCode, 1);
    assert.match(
      String(said.at(-1)),
      / It would be refused: The source .+ holds 1 file .+ with --allow-shrunk\.$/,
    );
    process.exitCode = before;
    await dryRun(session as unknown as Session, { ...planned, allowShrunk: true }, asked);
    assert.equal(process.exitCode, before);
    assert.doesNotMatch(String(said.at(-1)), /refused/);
  } finally {
    process.exitCode = before;
  }
});

test('each source counts on its own, and all that have shrunk are named', async (t) => {
  const { scan, refused } = await scans(t);
  const sources = [tempFolder(t), tempFolder(t), tempFolder(t)].sort();
  for (const source of sources) fill(source, 20);
  await scan(sources);
  leave(sources[1] ?? '', 0);
  const first = `^The source ${sources[1] ?? ''} is empty, without the 20 files`;
  await refused(sources, new RegExp(`${first} \\(20 B\\) that set \\S+ found there\\. `));
  leave(sources[2] ?? '', 1);
  await refused(
    sources,
    new RegExp(`${first}.*; 1 other source has shrunk like that too: ${sources[2] ?? ''}\\. `),
  );
});

test('with other excludes less may be meant, but not nothing; a set from before counts were noted is counted', async (t) => {
  const { catalog, scan, refused } = await scans(t);
  const root = tempFolder(t);
  const source = path.join(root, 'a');
  fill(source, 30);
  mkdirSync(path.join(source, 'deep'));
  writeFileSync(path.join(source, 'deep', 'other'), 'four');
  const sources = [source, path.join(root, 'a b')];
  writeFileSync(path.join(root, 'a b'), 'sibling');
  const before = await scan(sources);
  await scan(sources, { excludes: ['file*'] });
  await refused(sources, /is empty, without the 1 file/, { excludes: ['file*', 'deep/'] });
  leave(source, 1);
  await refused(
    sources,
    new RegExp(`holds 1 file .*a tenth of the 31 files .* that set ${before} found there`),
  );

  const held = await holdingsOf(catalog, await setNamed(catalog, before));
  assert.deepEqual(held, [
    { files: 31, bytes: 34 },
    { files: 1, bytes: 7 },
  ]);
  await catalog.updateTable('sets').set({ holdings: null }).where('id', '=', before).execute();
  assert.deepEqual(await holdingsOf(catalog, await setNamed(catalog, before)), held);
  await refused(sources, new RegExp(`of the 31 files .* that set ${before} found there`));
});
