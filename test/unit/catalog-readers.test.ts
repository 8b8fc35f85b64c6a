import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  statSync,
} from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { type Catalog, openCatalog } from '../../catalog/open-catalog.js';
import { installationId } from '../../catalog/installation.js';
import { openSet } from '../../catalog/sets/open-set.js';
import { openForReading } from '../../catalog/open-for-reading.js';
import { listSets } from '../../catalog/sets/sets.js';
import { projectDir } from '../../config/project-dir.js';
import { tempFolder } from '../support/trees.js';

/** User and group that own nothing here. */
const nobody = 65534;
const group = 65533;

async function makeSet(catalog: Catalog, source: string): Promise<string> {
  const wanted = { sources: [source], excludes: [], pool: 'p', drive: 'd', mode: 'full', direct: false };
  return (await openSet(catalog, { ...wanted, options: {} }, { fresh: true })).set.id;
}

/** A data folder that a group may read, with its catalog. */
async function withGroup(t: TestContext) {
  const root = tempFolder(t);
  chmodSync(root, 0o755);
  const data = path.join(root, 'data');
  const file = path.join(data, 'catalog.db');
  mkdirSync(data);
  chownSync(data, 0, group);
  chmodSync(data, 0o750);
  const catalog = await openCatalog(file);
  await installationId(catalog);
  chownSync(file, 0, group);
  chmodSync(file, 0o640);
  // As the shared group's setting does it; SQLite gives new ones the catalog's rights.
  await catalog.destroy();
  const env = {
    ...process.env,
    TAPEFLOW_DATA_DIR: data,
    BACKUP_COMPRESS_DIR: path.join(root, 'staging'),
    HOME: root,
  };
  const asReader = (...args: string[]) => {
    const bin = path.join(projectDir, 'bin', 'tapeflow.cjs');
    const ids = ['--reuid', String(nobody), '--regid', String(group), '--clear-groups'];
    const { stdout, stderr, status } = spawnSync('setpriv', [...ids, process.execPath, bin, ...args], {
      ...{ env, encoding: 'utf8', cwd: root },
    });
    return { stdout, stderr, status };
  };
  return { root, data, file, asReader };
}

const linux = { skip: process.platform === 'linux' ? false : 'needs /proc' };
const asRoot = { skip: process.getuid?.() === 0 ? false : 'needs root, to be two users' };

test(
  'a user who may only read the catalog sees sets, status, tapes and schedules: beside writers, without any, and after a kill',
  asRoot,
  async (t) => {
    const { root, data, file, asReader } = await withGroup(t);
    const before = () => readdirSync(data).map((name) => [name, statSync(path.join(data, name)).mtimeMs]);

    const idle = before();
    assert.deepEqual(asReader('sets', '--json'), { stdout: '', stderr: '', status: 0 });
    assert.deepEqual(before(), idle, 'nothing was written');

    const catalog = await openCatalog(file);
    const id = await makeSet(catalog, '/srv');
    for (const args of [['sets'], ['status'], ['ls', id], ['trace', id], ['find', '*']]) {
      const { stdout, stderr } = asReader(...args);
      assert.doesNotMatch(stderr, /cannot|SQLITE|EACCES/, `${args.join(' ')}: ${stdout}${stderr}`);
      if (args[0] === 'sets') assert.match(stdout, new RegExp(id));
    }
    assert.match(asReader('tape', 'list').stdout, /no tapes yet/);
    assert.match(asReader('schedule', 'list').stdout, /no schedules/);

    const killed = path.join(root, 'killed');
    mkdirSync(killed);
    chmodSync(killed, 0o755);
    for (const ending of ['', '-wal', '-shm']) {
      copyFileSync(file + ending, path.join(killed, `catalog.db${ending}`));
      chmodSync(path.join(killed, `catalog.db${ending}`), 0o644);
    }
    await catalog.destroy();
    assert.match(asReader('sets').stdout, new RegExp(id), 'when all have closed it');
    const script = `import('${path.join(projectDir, 'dist/catalog/open-for-reading.js')}').then(async ({ openForReading }) => {
    const catalog = await openForReading(process.argv[1], '/');
    console.log(await catalog.selectFrom('sets').select('id').execute()) })`;
    const ids = ['--reuid', String(nobody), '--regid', String(nobody), '--clear-groups'];
    const read = spawnSync(
      'setpriv',
      [...ids, process.execPath, '-e', script, path.join(killed, 'catalog.db')],
      {
        encoding: 'utf8',
      },
    );
    assert.match(read.stdout, new RegExp(id), read.stderr);
  },
);

test(
  'who may not read the catalog is told so in a sentence, and so is who finds one of an older version',
  asRoot,
  async (t) => {
    const { file, asReader } = await withGroup(t);
    const catalog = await openCatalog(file);
    await catalog
      .deleteFrom('kysely_migration' as 'meta')
      .where('name' as 'key', 'like', '0017%')
      .execute();
    await catalog.destroy();
    const older = asReader('sets');
    assert.deepEqual([older.status, older.stdout], [1, '']);
    assert.match(
      older.stderr,
      /older version of tapeflow. This user may not change it: any command of its owner/,
    );
    chmodSync(file, 0o600);
    const refused = asReader('sets');
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /cannot be read by this user \(\w+\)/);
  },
);

test('a command that only reads makes no folder and no catalog', async (t) => {
  const folder = path.join(tempFolder(t), 'data');
  const catalog = await openForReading(path.join(folder, 'catalog.db'), folder);
  assert.deepEqual(await listSets(catalog), []);
  await catalog.destroy();
  assert.equal(statSync(folder, { throwIfNoEntry: false }), undefined);
});

test(
  'a catalog that was opened and closed at once is closed, and leaves a reader what it needs',
  linux,
  async (t) => {
    const folder = tempFolder(t);
    const file = path.join(folder, 'catalog.db');
    await (await openCatalog(file)).destroy();
    await (await openCatalog(file)).destroy();
    const open = readdirSync('/proc/self/fd').map((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`);
      } catch {
        return '';
      }
    });
    assert.deepEqual(
      open.filter((name) => name.startsWith(folder)),
      [],
    );
    assert.ok(existsSync(`${file}-wal`) && existsSync(`${file}-shm`));
  },
);
