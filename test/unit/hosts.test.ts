import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { claimDrive, driveLives, driveStops, listHostDrives } from '../../catalog/hosts/host-drives.js';
import { forgetHostNamed } from '../../catalog/hosts/forget-host.js';
import { goneAfterMs } from '../../catalog/hosts/host-conflict.js';
import {
  archiveStops,
  heardHosts,
  homeHost,
  hostInQueues,
  hostLives,
  listHosts,
  registerHost,
  timeOf,
  type HostSelf,
} from '../../catalog/hosts/hosts.js';
import { installationKey } from '../../catalog/hosts/installation-key.js';
import { withDrivesOfHosts } from '../../catalog/hosts/known-drives.js';
import { isInPostgres } from '../../catalog/dialect.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import type { TapeflowFailure } from '../../config/failures.js';
import { machineName } from '../../config/settings/host-name.js';
import { loadSettings } from '../../config/settings/load-settings.js';
import type { DriveSettings } from '../../config/settings/settings.js';
import { keepThisHost } from '../../disk/this-host.js';
import { keyFile } from '../../proof/key-file.js';
import { hostPath } from '../../entry/host-path.js';
import { recordLook } from '../../catalog/hosts/staging-looks.js';
import { checkHosts } from '../../client/checks/host-checks.js';
import { leaveMark, unseenMarks } from '../../staging/host-marks.js';
import { insertSchedule, removeSchedule } from '../../catalog/server/schedules.js';
import { recordSetState } from '../../catalog/sets/set-states.js';
import { setNamed } from '../../catalog/sets/sets.js';
import { openSet } from '../../catalog/sets/open-set.js';
import { baseFor } from '../../catalog/sets/set-base.js';
import { formerHoldings } from '../../catalog/sets/holdings.js';
import { subjectName } from '../../catalog/retrievals/retrieval-subject.js';
import { openNewCatalog } from '../support/catalogs.js';
import { summarizeSet } from '../../catalog/sets/set-summary.js';
import { setsInProcess } from '../support/sets-in-process.js';
import { tempFolder, writeTree } from '../support/trees.js';

const self = (name: string, more: Partial<HostSelf> = {}): HostSelf => ({
  ...{ name, id: `id-${name}`, machine: `${name}.example`, dataDir: `/data/${name}`, version: '0' },
  ...{ embedded: false, isNamed: true, catalogUrl: 'the catalog' },
  ...more,
});

const failsAs = (code: string, text: RegExp) => (error: TapeflowFailure) => {
  assert.equal(error.code, code);
  assert.match(error.sentence, text);
  return true;
};

/** As if nobody had heard of any worker for long. */
async function letTimePass(catalog: Catalog): Promise<void> {
  const long = goneAfterMs + 1;
  await catalog
    .updateTable('hosts')
    .set((eb) => ({ archive_at: eb('archive_at', '-', long) }))
    .execute();
  await catalog
    .updateTable('host_drives')
    .set((eb) => ({ heard_at: eb('heard_at', '-', long) }))
    .execute();
}

const drive = (name: string) => ({ name, path: '/mnt/lto1', kind: 'ltfs' as const, ours: false });

test('a host is called as its setting says, as its data folder has kept, or as the machine is', (t) => {
  const root = tempFolder(t);
  const env = { TAPEFLOW_DATA_DIR: path.join(root, 'data') };
  mkdirSync(env.TAPEFLOW_DATA_DIR);
  const name = () => loadSettings(env, root).TAPEFLOW_HOST;
  assert.match(name(), /^[A-Za-z0-9.-]+$/);
  const { id } = keepThisHost(env.TAPEFLOW_DATA_DIR, 'fs1');
  assert.equal(name(), 'fs1');
  assert.equal(keepThisHost(env.TAPEFLOW_DATA_DIR, 'fs2').id, id, 'the data folder is the same');
  assert.equal(name(), 'fs2');
  assert.equal(loadSettings({ ...env, TAPEFLOW_HOST: 'a.b-c' }, root).TAPEFLOW_HOST, 'a.b-c');
  for (const wrong of ['-a', 'a/b', 'a:b', 'a_b', ''.padEnd(65, 'a')])
    assert.throws(
      () => loadSettings({ ...env, TAPEFLOW_HOST: wrong }, root),
      /TAPEFLOW_HOST .* must be letters, digits, dots and hyphens/,
    );
  assert.equal(machineName('my_laptop.'), 'my-laptop');
  assert.equal(machineName('_'), 'host');
});

test('the first host is the home of the installation, also under another name', async (t) => {
  const catalog = await openNewCatalog(t);
  await registerHost(catalog, self('a'));
  assert.equal(await homeHost(catalog), 'a');
  await registerHost(catalog, self('renamed', { id: 'id-a' }));
  assert.deepEqual(
    (await listHosts(catalog)).map(({ name, home }) => [name, home]),
    [['renamed', 1]],
  );
  assert.equal(await hostInQueues(catalog, 'renamed'), undefined);
  assert.equal(await hostInQueues(catalog, 'b'), isInPostgres(catalog) ? 'b' : undefined);
});

test('a second host is refused where the catalog is a file, while the first one works', async (t) => {
  const catalog = await openNewCatalog(t);
  if (isInPostgres(catalog)) return t.skip('the catalog is in PostgreSQL');
  await registerHost(catalog, self('a'));
  await hostLives(catalog, self('a'), true);
  await assert.rejects(
    registerHost(catalog, self('b')),
    failsAs('OneHostOnly', /SQLite file.* host a does.*postgres:\/\//),
  );
  await archiveStops(catalog, self('a'));
  const moved = await registerHost(catalog, self('b'));
  assert.equal(moved.home, 1, 'the installation was moved');
  assert.equal((await listHosts(catalog)).length, 1);
});

test('two data folders do not work under one name, and not with two servers', async (t) => {
  const catalog = await openNewCatalog(t);
  if (!isInPostgres(catalog)) return t.skip('a file has one host');
  await registerHost(catalog, self('a'));
  await hostLives(catalog, self('a'), true);
  await registerHost(catalog, self('b'));
  await hostLives(catalog, self('b'), true);
  await assert.rejects(
    registerHost(catalog, self('a', { id: 'other', dataDir: '/elsewhere' })),
    failsAs('HostTaken', /another data folder work as host a: \/data\/a on the machine a\.example/),
  );
  await assert.rejects(
    registerHost(catalog, self('c', { embedded: true })),
    failsAs('OneServerForAll', /Host c uses the embedded.*TEMPORAL_ADDRESS/),
  );
  await letTimePass(catalog);
  await assert.rejects(
    registerHost(catalog, self('a', { id: 'other', isNamed: false })),
    failsAs('HostTaken', /There is a host a already.*takes the place of the other.*set TAPEFLOW_HOST=a/),
  );
  const taken = await registerHost(catalog, self('a', { id: 'other' }));
  assert.equal(taken.home, 1, 'its data folder was lost');
  assert.equal(await hostLives(catalog, self('a'), true), false, 'the former one is told');
  assert.deepEqual([...(await heardHosts(catalog, await timeOf(catalog)))], []);
});

test('a drive is on one host, until its worker stops or was not heard of for long', async (t) => {
  const catalog = await openNewCatalog(t);
  for (const name of ['a', 'b']) await registerHost(catalog, self(name));
  assert.equal(await claimDrive(catalog, 'a', drive('lto1')), undefined);
  assert.equal(await claimDrive(catalog, 'a', drive('lto1')), undefined, 'its worker began again');
  await assert.rejects(
    claimDrive(catalog, 'b', drive('lto1')),
    failsAs('DriveElsewhere', /drive lto1 is on host a \(\/mnt\/lto1\).*a name of its own/),
  );
  await driveStops(catalog, 'a', 'lto1');
  assert.equal(await claimDrive(catalog, 'b', drive('lto1')), 'a');
  assert.equal(await driveLives(catalog, 'a', 'lto1'), false);
  await driveStops(catalog, 'a', 'lto1');
  await assert.rejects(claimDrive(catalog, 'a', drive('lto1')), failsAs('DriveElsewhere', /on host b/));
  await letTimePass(catalog);
  assert.equal(await claimDrive(catalog, 'a', drive('lto1')), 'b');
});

test('commands know the drives of other hosts', async (t) => {
  const catalog = await openNewCatalog(t);
  for (const name of ['a', 'b']) await registerHost(catalog, self(name));
  for (const name of ['lto1', 'lto2']) await claimDrive(catalog, 'a', drive(name));
  const named = async (...own: { name: string; ours: boolean }[]) => {
    const drives = own.map((one): DriveSettings => ({ ...drive(one.name), ...one }));
    const settings = { CATALOG_URL: 'postgres://x', TAPEFLOW_HOST: 'b', drives };
    const all = await withDrivesOfHosts(settings, async () => catalog);
    return all.drives.map(({ name, host }) => `${name}@${host ?? 'here'}`);
  };
  assert.deepEqual(await named({ name: 'lto1', ours: true }), ['lto1@a', 'lto2@a']);
  const own = { name: 'lto1', ours: false };
  assert.deepEqual(await named(own), ['lto1@a', 'lto2@a'], 'its worker would be refused');
  await driveStops(catalog, 'a', 'lto1');
  assert.deepEqual(await named(own, { name: 'lto3', ours: false }), ['lto1@here', 'lto3@here', 'lto2@a']);
});

test('hosts with two keys are refused at their start, with what to copy from where', async (t) => {
  const catalog = await openNewCatalog(t);
  const root = tempFolder(t);
  const settingsOf = (name: string) => {
    const dataDir = path.join(root, name);
    mkdirSync(dataDir, { recursive: true });
    const { id } = keepThisHost(dataDir, name);
    return { TAPEFLOW_DATA_DIR: dataDir, TAPEFLOW_HOST: name, id };
  };
  const begin = async (name: string) => {
    const settings = settingsOf(name);
    const { id, TAPEFLOW_DATA_DIR: dataDir } = settings;
    await registerHost(catalog, self(name, { id, dataDir }));
    const key = await installationKey(catalog, settings, true);
    await hostLives(catalog, { name, id }, true);
    return key;
  };
  const key = await begin('a');
  assert.equal(await begin('a'), key);
  const texts = JSON.stringify(await catalog.selectFrom('meta').selectAll().execute());
  assert.ok(!texts.includes(key.slice(0, 16)), 'the key itself is not in the catalog');
  if (!isInPostgres(catalog)) {
    // With one host it may be changed: deleted, and made anew by the next worker.
    writeFileSync(keyFile(path.join(root, 'a')), `${'ab'.repeat(32)}\n`, { mode: 0o600 });
    assert.equal(await begin('a'), 'ab'.repeat(32));
    return;
  }
  const theirs = keyFile(path.join(root, 'a'));
  const mine = keyFile(path.join(root, 'b'));
  await assert.rejects(
    begin('b'),
    failsAs('NoKey', new RegExp(`Copy ${theirs} of host a to ${mine} .*0600`)),
  );
  assert.equal(statSync(mine, { throwIfNoEntry: false }), undefined, 'none is made');
  writeFileSync(mine, `${'cd'.repeat(32)}\n`, { mode: 0o600 });
  await assert.rejects(begin('b'), failsAs('WrongKey', new RegExp(`${mine} is not the key.*Copy ${theirs}`)));
  await assert.rejects(installationKey(catalog, settingsOf('b'), false), failsAs('WrongKey', /not the key/));
  writeFileSync(mine, readFileSync(theirs), { mode: 0o600 });
  assert.equal(await begin('b'), key);
  // All have stopped, and a new key was copied to each.
  await letTimePass(catalog);
  writeFileSync(mine, `${'ef'.repeat(32)}\n`, { mode: 0o600 });
  assert.equal(await begin('b'), 'ef'.repeat(32));
  await assert.rejects(begin('a'), failsAs('WrongKey', new RegExp(`Copy ${mine} of host b`)));
});

test('doctor says which host sees no staging of another, whose clock is wrong, and who is away', async (t) => {
  const catalog = await openNewCatalog(t);
  if (!isInPostgres(catalog)) return t.skip('a file has one host');
  for (const name of ['a', 'b', 'c']) await registerHost(catalog, self(name));
  for (const name of ['a', 'b']) await hostLives(catalog, self(name), true);
  await claimDrive(catalog, 'b', drive('vault'));
  await catalog.updateTable('hosts').set({ clock_ahead: -90_000 }).where('name', '=', 'a').execute();
  const look = { root: '/staging', at: Date.now() };
  await recordLook(catalog, { ...look, host: 'a', unseen: [], mark: 'id-a' });
  await recordLook(catalog, { ...look, host: 'b', unseen: ['a', 'c'], mark: null });
  const [early] = (await checkHosts({ catalog: async () => catalog })).filter(
    ({ what }) => what === 'staging of host b',
  );
  assert.deepEqual(
    [early?.level, early?.finding],
    ['note', '/staging was not looked at since host a wrote there'],
  );
  await recordLook(catalog, { ...look, host: 'b', unseen: ['a', 'c'], mark: null, at: Date.now() + 1000 });
  const checks = await checkHosts({ catalog: async () => catalog });
  const found = (what: string) => checks.find((check) => check.what === what);
  assert.match(found('host b')?.finding ?? '', /^archive worker, tape worker vault \(b\.example/);
  assert.match(found('host c')?.finding ?? '', /no worker was heard of since/);
  assert.match(found('clock of host a')?.finding ?? '', /is 90 s behind/);
  assert.equal(found('clock of host b')?.level, 'ok');
  assert.equal(found('staging of host a')?.level, 'ok');
  assert.equal(found('staging of host b')?.level, 'trouble');
  assert.match(found('staging of host b')?.finding ?? '', /does not have what host a wrote/);
});

test('hosts see each other’s marks in a staging folder that they share, and in no other', async (t) => {
  const root = tempFolder(t);
  const [shared, other] = [path.join(root, 'shared'), path.join(root, 'other')];
  const [a, b] = [self('a'), self('b')];
  await leaveMark(shared, a);
  assert.equal(statSync(shared, { throwIfNoEntry: false }), undefined, 'an absent mount is not made');
  for (const folder of [shared, other]) mkdirSync(folder);
  await leaveMark(shared, a);
  await leaveMark(shared, b);
  assert.deepEqual(await unseenMarks(shared, [a, b]), []);
  assert.deepEqual(await unseenMarks(other, [a, b]), ['a', 'b']);
  assert.deepEqual(await unseenMarks(shared, [{ ...a, id: 'another data folder' }]), ['a']);
});

test('HOST:/path is on that host; every other path is here', () => {
  const read = (given: string, platform: NodeJS.Platform = 'linux') => {
    const { host, path } = hostPath(given, platform);
    return host === undefined ? path : [host, path];
  };
  assert.deepEqual(read('fs1:/srv/a'), ['fs1', '/srv/a']);
  assert.deepEqual(read('fs1.lan:/a:b'), ['fs1.lan', '/a:b']);
  assert.deepEqual(read('win:C:\\data'), ['win', 'C:\\data']);
  for (const here of ['/srv', '/a:/b', './a:/b', 'a:b', 'a/b:/c', '-a:/b', '../x:/y', 'a_b:/c'])
    assert.equal(read(here), here);
  assert.equal(read('C:/data', 'win32'), 'C:/data');
  assert.equal(read('C:\\data', 'win32'), 'C:\\data');
  assert.deepEqual(read('fs1:/srv', 'win32'), ['fs1', '/srv']);
});

test('the same path on two hosts is two things, whoever looks for its sets', async (t) => {
  const catalog = await openNewCatalog(t);
  const wanted = {
    ...{ sources: ['/srv'], excludes: [], pool: 'default', drive: 'lto1', mode: 'full' },
    ...{ direct: false, options: {} },
  };
  const open = async (host: string | null) =>
    (await openSet(catalog, { ...wanted, host }, { fresh: false })).set;
  const [home, theirs] = [await open(null), await open('b')];
  assert.notEqual(home.id, theirs.id);
  assert.equal((await open('b')).id, theirs.id, 'the unfinished set of that host');
  assert.equal((await open(null)).id, home.id);
  await assert.rejects(
    openSet(catalog, { ...wanted, host: 'c', id: theirs.id }, { fresh: false }),
    /exists with other sources of host b/,
  );
  const holdings = JSON.stringify([{ files: 5, bytes: 5 }]);
  await catalog.updateTable('sets').set({ state: 'completed', holdings }).execute();
  const { sources } = home;
  const baseOf = async (host: string | null) =>
    (await baseFor(catalog, 'incremental', { sources, host }, ['default'])).id;
  assert.deepEqual(
    [await baseOf(null), await baseOf('b'), await baseOf('c')],
    [home.id, theirs.id, undefined],
  );
  const held = async (host: string | null) =>
    (await formerHoldings(catalog, { ...theirs, id: '', host })).map(({ setId }) => setId);
  assert.deepEqual([await held(null), await held('b'), await held('c')], [[home.id], [theirs.id], []]);
  const newest = (host: string | null) => subjectName(catalog, { latest: ['/srv'], host }, 'copy');
  assert.deepEqual([await newest(null), await newest('b')], [home.id, theirs.id]);
  await assert.rejects(newest('c'), /no completed set of c:\/srv/);
});

test('a set that is read from a tape is of the host that its manifests name', async (t) => {
  const sets = await setsInProcess(t);
  const source = tempFolder(t);
  writeTree(source, { file: 'text' });
  const setId = await sets.begin(source, 'full');
  await sets.catalog.updateTable('sets').set({ host: 'b' }).execute();
  for (const group of await sets.groupsOf(setId)) await sets.store(setId, group);
  await sets.end(setId);
  const { catalog } = await sets.rebuilt();
  const summary = await summarizeSet(catalog, setId);
  assert.deepEqual([summary.host, summary.sources], ['b', [source]]);
});

test('what a command for another host could not see is refused by its scan, before anything is written', async (t) => {
  const sets = await setsInProcess(t);
  if (!isInPostgres(sets.catalog)) return t.skip('a file has one host');
  const root = tempFolder(t);
  writeTree(root, { 'there/file': 'text' });
  symlinkSync('there', path.join(root, 'link'));
  const scanned = async (name: string) => {
    await sets.begin(path.join(root, name), 'full');
  };
  await assert.rejects(scanned('missing'), /source .*missing does not exist/);
  await assert.rejects(scanned('link'), /source .*link of host .* leads through a link to .*there/);
  assert.deepEqual(await sets.catalog.selectFrom('groups').selectAll().execute(), []);
  await scanned('there');
});

test('a host is forgotten when nothing needs it, and is known again when it comes back', async (t) => {
  const catalog = await openNewCatalog(t);
  if (!isInPostgres(catalog)) {
    // A file has one host, which made the installation.
    await registerHost(catalog, self('home'));
    await assert.rejects(forgetHostNamed(catalog, 'home'), failsAs('HostNeeded', /it made the installation/));
    return;
  }
  await registerHost(catalog, self('home'));
  await registerHost(catalog, self('fs1'));
  await hostLives(catalog, self('fs1'), true);
  const vault = { name: 'vault', path: '/vault', kind: 'directory' } as DriveSettings;
  await claimDrive(catalog, 'fs1', vault);
  await recordLook(catalog, { host: 'fs1', root: '/staging', unseen: [], at: 1, mark: 'id-fs1' });
  const refused = (text: RegExp) =>
    assert.rejects(forgetHostNamed(catalog, 'fs1'), failsAs('HostNeeded', text));
  await refused(/^Host fs1 cannot be forgotten: its workers are at work.* Stop them/);
  await archiveStops(catalog, self('fs1'));
  await refused(/its workers are at work/);
  await driveStops(catalog, 'fs1', 'vault');

  const wanted = { sources: ['/x'], excludes: [], pool: 'default', mode: 'full', direct: false, options: {} };
  const ofHost = await openSet(catalog, { ...wanted, drive: 'lto1', host: 'fs1' }, { fresh: true });
  const onDrive = await openSet(catalog, { ...wanted, drive: 'vault' }, { fresh: true });
  await refused(
    new RegExp(`: set ${ofHost.set.id}, set ${onDrive.set.id} need it\\. Let them end or cancel them`),
  );
  for (const { set } of [ofHost, onDrive]) await recordSetState(catalog, set.id, 'completed', null);
  const nightly = { name: 'nightly', cron: '0 1 * * *', zone: 'UTC', command: 'backup fs1:/x' };
  const scheduled = {
    ...nightly,
    arguments: JSON.stringify({ host: 'fs1', drive: 'lto1', sources: ['/x'] }),
  };
  await insertSchedule(catalog, scheduled, { replace: false });
  await refused(/schedule nightly need it/);
  const places = JSON.stringify({ places: [{ drive: 'lto1' }, { drive: 'vault' }], drive: 'lto1' });
  await insertSchedule(catalog, { ...nightly, arguments: places }, { replace: true });
  await refused(/schedule nightly need it/);
  await removeSchedule(catalog, 'nightly');

  assert.equal(await forgetHostNamed(catalog, 'fs1'), true);
  assert.equal(await forgetHostNamed(catalog, 'fs1'), false, 'again it does nothing');
  assert.deepEqual(
    (await listHosts(catalog)).map(({ name }) => name),
    ['home'],
  );
  assert.deepEqual(await listHostDrives(catalog), []);
  assert.equal((await setNamed(catalog, ofHost.set.id)).host, 'fs1', 'its sets are as they were');
  await registerHost(catalog, self('fs1'));
  await claimDrive(catalog, 'fs1', vault);
  assert.deepEqual(
    (await listHosts(catalog)).map(({ name }) => name),
    ['fs1', 'home'],
  );
});
