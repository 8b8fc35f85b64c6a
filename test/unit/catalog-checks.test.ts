import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import Database from 'better-sqlite3';
import { installationId } from '../../catalog/installation.js';
import { openSet } from '../../catalog/sets/open-set.js';
import { generationInFile } from '../../catalog/sqlite/own-log.js';
import { type Catalog, openCatalog } from '../../catalog/open-catalog.js';
import { TapeflowFailure } from '../../config/failures.js';
import { tempFolder } from '../support/trees.js';

const refused = (code: string, words: RegExp) => (error: unknown) => {
  assert.ok(error instanceof TapeflowFailure, String(error));
  assert.equal(error.code, code, error.sentence);
  assert.match(error.sentence, words);
  return true;
};

/** A set and some rows: enough to be on several pages. */
async function makeSet(catalog: Catalog, sources: string[]): Promise<string> {
  const wanted = { sources, excludes: [], pool: 'p', drive: 'd', mode: 'full', direct: false, options: {} };
  const { set } = await openSet(catalog, wanted, { fresh: true });
  const events = Array.from({ length: 200 }, (_, n) => ({
    ...{ set_id: set.id, group_no: n, stage: 'planned', at: n, detail: 'x'.repeat(100) },
  }));
  await catalog.insertInto('events').values(events).execute();
  return set.id;
}

function checkpoint(file: string): void {
  const database = new Database(file);
  database.pragma('wal_checkpoint(TRUNCATE)');
  database.close();
}

async function withCatalog(t: TestContext) {
  const file = path.join(tempFolder(t), 'catalog.db');
  const catalog = await openCatalog(file);
  await installationId(catalog);
  return { file, catalog };
}

/** As a kill leaves it: the files of an open catalog, in another folder. */
function killedCopy(t: TestContext, file: string, log = file): string {
  const copy = path.join(tempFolder(t), 'catalog.db');
  copyFileSync(file, copy);
  copyFileSync(`${log}-wal`, `${copy}-wal`);
  return copy;
}

test('an old catalog beside the log of a newer one, and the reverse, are refused, and nothing is put together', async (t) => {
  const { file, catalog } = await withCatalog(t);
  t.after(() => catalog.destroy());
  await makeSet(catalog, ['/old']);
  checkpoint(file);
  const old = path.join(tempFolder(t), 'old.db');
  copyFileSync(file, old);
  await makeSet(catalog, ['/between']);
  const oldWithLog = killedCopy(t, file);
  checkpoint(file);
  await makeSet(catalog, ['/new']);

  const killed = killedCopy(t, file);
  const whole = await openCatalog(killed);
  assert.equal(
    (await whole.selectFrom('sets').select('id').execute()).length,
    3,
    'a kill alone loses nothing',
  );
  await whole.destroy();

  const mixed = killedCopy(t, file);
  copyFileSync(old, mixed);
  const before = statSync(`${mixed}-wal`).size;
  await assert.rejects(
    openCatalog(mixed),
    refused(
      'CatalogMixed',
      /not of the same time.*older copy.*tapeflow catalog restore FILE.*tapeflow tape catalog/s,
    ),
  );
  assert.deepEqual(
    [generationInFile(mixed), statSync(`${mixed}-wal`).size],
    [generationInFile(old), before],
    'both files are as they were',
  );

  checkpoint(file);
  copyFileSync(file, oldWithLog);
  await assert.rejects(openCatalog(oldWithLog), refused('CatalogMixed', /the log ends with change/));
});

test('an older catalog in the place of a newer one is refused, also without a log; another installation’s, or a new one, is not', async (t) => {
  const { file, catalog } = await withCatalog(t);
  await makeSet(catalog, ['/old']);
  checkpoint(file);
  const old = path.join(tempFolder(t), 'old.db');
  copyFileSync(file, old);
  await makeSet(catalog, ['/new']);
  await catalog.destroy();
  await (await openCatalog(file)).destroy();
  copyFileSync(file, path.join(path.dirname(old), 'new.db'));

  copyFileSync(old, file);
  await assert.rejects(openCatalog(file), refused('CatalogOlder', /older one.*tapeflow tape catalog/s));
  copyFileSync(path.join(path.dirname(old), 'new.db'), file);
  await (await openCatalog(file)).destroy();
  for (const name of readdirSync(path.dirname(file)))
    if (/^catalog\.db(-wal|-shm)?$/.test(name)) rmSync(path.join(path.dirname(file), name));
  await (await openCatalog(file)).destroy();
});

test('a catalog that a kill left behind is checked when it is opened, and one that is damaged is refused', async (t) => {
  const { file, catalog } = await withCatalog(t);
  t.after(() => catalog.destroy());
  for (let n = 0; n < 20; n += 1) await makeSet(catalog, [`/source-${n}`]);
  checkpoint(file);
  await makeSet(catalog, ['/last']);
  const killed = killedCopy(t, file);
  const bytes = statSync(killed).size;
  const script = `const fd = require('fs').openSync(process.argv[1], 'r+'); require('fs').writeSync(fd, Buffer.alloc(8192, 7), 0, 8192, Number(process.argv[2]))`;
  const at = String(Math.floor(bytes / 2 / 4096) * 4096);
  assert.equal(spawnSync(process.execPath, ['-e', script, killed, at]).status, 0);
  await assert.rejects(openCatalog(killed), refused('CatalogDamaged', /catalog restore FILE/));
});

test('two commands that make a new catalog at once both open it', async (t) => {
  const file = path.join(tempFolder(t), 'catalog.db');
  const other = new Database(file);
  // As the other one does for a moment while it turns on the log. SQLite refuses that at once then, without waiting.
  other.exec('begin immediate');
  const opening = openCatalog(file);
  other.exec('rollback');
  other.close();
  const catalog = await opening;
  assert.match(await installationId(catalog), /^[0-9a-f-]{36}$/);
  await catalog.destroy();
});
