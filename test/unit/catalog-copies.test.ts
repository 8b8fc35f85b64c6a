import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { backUpCatalog } from '../../catalog/backup/back-up-catalog.js';
import { installationId } from '../../catalog/installation.js';
import { openSet } from '../../catalog/sets/open-set.js';
import { noteNewest, requireNewest, restoringFile } from '../../catalog/sqlite/newest-seen.js';
import { type Catalog, openCatalog } from '../../catalog/open-catalog.js';
import { restoreCatalog } from '../../catalog/backup/restore-catalog.js';
import { findSet } from '../../catalog/sets/sets.js';
import { TapeflowFailure } from '../../config/failures.js';
import { projectDir } from '../../config/project-dir.js';
import { tempFolder } from '../support/trees.js';

const refused =
  (code: string, words = /./) =>
  (error: unknown) => {
    assert.ok(error instanceof TapeflowFailure, String(error));
    assert.equal(error.code, code, error.sentence);
    assert.match(error.sentence, words);
    return true;
  };

async function makeSet(catalog: Catalog, source: string): Promise<string> {
  const wanted = { sources: [source], excludes: [], pool: 'p', drive: 'd', mode: 'full', direct: false };
  return (await openSet(catalog, { ...wanted, options: {} }, { fresh: true })).set.id;
}

async function withCatalog(t: TestContext) {
  const folder = tempFolder(t);
  const file = path.join(folder, 'catalog.db');
  const catalog = await openCatalog(file);
  t.after(() => catalog.destroy());
  await installationId(catalog);
  return { folder, file, catalog, copy: path.join(tempFolder(t), 'copy.db') };
}

test('a copy of a catalog in use is whole, for its user alone, replaces an earlier one, and nothing else', async (t) => {
  const { file, catalog, copy } = await withCatalog(t);
  await makeSet(catalog, '/one');
  assert.equal((await backUpCatalog(file, copy)).sets, 1);
  await makeSet(catalog, '/two');
  assert.equal((await backUpCatalog(file, copy)).sets, 2);
  assert.equal(statSync(copy).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(path.dirname(copy)), ['copy.db']);

  const other = path.join(path.dirname(copy), 'letter.txt');
  writeFileSync(other, 'not a catalog');
  await assert.rejects(() => backUpCatalog(file, other), refused('WrongFile', /is not a catalog/));
  await assert.rejects(() => backUpCatalog(file, file), refused('WrongFile', /the catalog itself/));
  assert.equal(readFileSync(other, 'utf8'), 'not a catalog');
});

test('an older copy is put back: what it took for unfinished is given up, newer numbers stay taken, the replaced one is kept', async (t) => {
  const { folder, file, catalog, copy } = await withCatalog(t);
  const unfinished = await makeSet(catalog, '/one');
  await backUpCatalog(file, copy);
  const newer = await makeSet(catalog, '/two');
  await assert.rejects(
    restoreCatalog(file, copy, { foreign: false }),
    refused('CatalogInUse', /tapeflow down/),
  );
  await catalog.destroy();

  const result = await restoreCatalog(file, copy, { foreign: false });
  assert.deepEqual([result.isOlder, result.givenUp], [true, [unfinished]]);
  const kept = result.replaced ?? '';
  const old = await openCatalog(kept);
  assert.ok((await findSet(old, newer)) !== undefined, 'the replaced catalog is whole');
  await old.destroy();
  assert.deepEqual(
    readdirSync(folder).filter((name) => /part|restoring/.test(name)),
    [],
  );
  const back = await openCatalog(file);
  t.after(() => back.destroy());
  const set = await findSet(back, unfinished);
  assert.deepEqual([set?.state, /older copy/.test(set?.reason ?? '')], ['failed', true]);
  assert.equal(await findSet(back, newer), undefined);
  assert.notEqual(await makeSet(back, '/three'), newer, 'its number is not given again');
});

test('a copy that nothing is newer than is put back as it is; so is one after the catalog was lost', async (t) => {
  const { file, catalog, copy } = await withCatalog(t);
  const unfinished = await makeSet(catalog, '/one');
  await catalog.destroy();
  await backUpCatalog(file, copy);
  assert.deepEqual((await restoreCatalog(file, copy, { foreign: false })).givenUp, []);
  const same = await openCatalog(file);
  assert.equal((await findSet(same, unfinished))?.state, 'scanning');
  await same.destroy();

  const lost = path.join(tempFolder(t), 'catalog.db');
  const result = await restoreCatalog(lost, copy, { foreign: false });
  assert.deepEqual([result.replaced, result.givenUp], [undefined, [unfinished]]);
});

test('what is no catalog, is damaged, of another installation or newer than the program is not put back', async (t) => {
  const { file, catalog, copy } = await withCatalog(t);
  await makeSet(catalog, '/one');
  await catalog.destroy();
  const attempt = (from: string) => restoreCatalog(file, from, { foreign: false });
  await assert.rejects(attempt(path.join(tempFolder(t), 'none')), refused('NoSuchFile'));
  writeFileSync(copy, 'x'.repeat(9000));
  await assert.rejects(attempt(copy), refused('WrongFile', /not a tapeflow catalog/));

  const foreign = await withCatalog(t);
  await backUpCatalog(foreign.file, foreign.copy);
  await assert.rejects(attempt(foreign.copy), refused('OtherInstallation', /--other-installation/));
  const taken = await restoreCatalog(file, foreign.copy, { foreign: true });
  assert.equal(taken.isOlder, true);

  const future = await withCatalog(t);
  const row = { name: '9999_future', timestamp: '' };
  await (
    future.catalog as unknown as {
      insertInto(table: string): { values(row: object): { execute(): Promise<unknown> } };
    }
  )
    .insertInto('kysely_migration')
    .values(row)
    .execute();
  await backUpCatalog(future.file, future.copy);
  await assert.rejects(
    restoreCatalog(file, future.copy, { foreign: true }),
    refused('CatalogNewer', /newer tapeflow/),
  );
  await (await openCatalog(file)).destroy();
});

test('a catalog that others commit to while it is opened is not taken for an older one', async (t) => {
  const { file } = await withCatalog(t);
  const installation = 'i';
  noteNewest(file, 1, installation);
  const read = () => {
    const before = { generation: 1, installation };
    noteNewest(file, 2, installation);
    return before;
  };
  requireNewest(file, read);
  assert.throws(() => requireNewest(file, read), refused('CatalogOlder'));
});

test('while a copy is being put back, and after that was killed, nobody opens the catalog; the same call ends it', async (t) => {
  const { file, catalog, copy } = await withCatalog(t);
  await makeSet(catalog, '/one');
  await catalog.destroy();
  await backUpCatalog(file, copy);
  writeFileSync(restoringFile(file), '{}');
  await assert.rejects(openCatalog(file), refused('CatalogRestoring', /run it again/));
  await restoreCatalog(file, copy, { foreign: false });
  await (await openCatalog(file)).destroy();
});

test('`catalog backup` and `catalog restore` on the command line', async (t) => {
  const root = tempFolder(t);
  const env = { ...process.env, TAPEFLOW_DATA_DIR: path.join(root, 'data'), INIT_CWD: root };
  const tf = (...args: string[]) =>
    spawnSync(process.execPath, [path.join(projectDir, 'bin', 'tapeflow.cjs'), ...args], {
      env,
      encoding: 'utf8',
    });
  assert.match(tf('catalog', 'backup', 'copy.db').stderr, /no catalog/);
  const catalog = await openCatalog(path.join(root, 'data', 'catalog.db'), path.join(root, 'data'));
  await installationId(catalog);
  const id = await makeSet(catalog, '/one');
  assert.match(tf('catalog', 'backup', 'copy.db').stdout, /copy\.db: 1 set,.*checked/);
  const inUse = tf('catalog', 'restore', 'copy.db');
  assert.deepEqual([inUse.status, /in use/.test(inUse.stderr)], [1, true]);
  await makeSet(catalog, '/two');
  await catalog.destroy();
  const { stdout, stderr, status } = tf('catalog', 'restore', 'copy.db');
  assert.equal(status, 0, stderr);
  assert.match(stdout, new RegExp(`1 set, the newest ${id}.*Given up.*${id}.*tape catalog`, 's'));
  assert.ok(existsSync(path.join(root, 'copy.db')), 'the copy stays');
});
