import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { checkRights } from '../../client/checks/rights-check.js';
import { backUpCatalog } from '../../catalog/backup/back-up-catalog.js';
import { openCatalog } from '../../catalog/open-catalog.js';
import { installationId } from '../../catalog/installation.js';
import { restoreCatalog } from '../../catalog/backup/restore-catalog.js';
import { projectDir } from '../../config/project-dir.js';
import { loadSettings } from '../../config/settings/load-settings.js';
import { groupNamed, setSharedGroup } from '../../config/shared-group.js';
import { messageKey } from '../../proof/key-file.js';
import { Installation } from '../support/installation.js';
import { backedUp } from '../support/set-state.js';
import { archivesOn, noise, tempFolder, writeTree } from '../support/trees.js';

/** A user who owns nothing here, in a group of that number and, where it is given, in the one that may read. */
const nobody = 65_534;
const group = 65_533;
const shared = { TAPEFLOW_SHARED_GROUP: String(group) };
const member = ['--groups', String(group)];
const outsider = ['--clear-groups'];

function as(groups: string[], program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const ids = ['--reuid', String(nobody), '--regid', String(nobody), ...groups];
  return spawnSync('setpriv', [...ids, program, ...args], {
    ...{ encoding: 'utf8', cwd: '/', env: { ...process.env, ...env } },
  });
}

/** What of a folder somebody can list or read. */
function readableIn(groups: string[], folder: string): string[] {
  const { stdout } = as(groups, 'find', [folder, '-mindepth', '1', '-readable']);
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => path.relative(folder, line));
}

const asRoot = { skip: process.getuid?.() === 0 ? false : 'needs root, to be two users' };

test(
  'the group of the setting reads catalog, logs and tape of staged and direct backups and nothing else, and others nothing',
  asRoot,
  async (t) => {
    const installation = await Installation.make(t, shared);
    const { root, dataDir, tapeDir, stagingDir } = installation;
    chmodSync(root, 0o755);
    const source = path.join(root, 'source');
    writeTree(source, { 'a.txt': noise(3000, 'a') });
    chmodSync(source, 0o700);
    // A host at work: its file with the token is there.
    const setId = await backedUp(installation, source);
    await installation.run(['backup', source, '--direct']);
    await installation.run(['backup', source, '--mode', 'incremental']);
    assert.ok(readdirSync(dataDir).includes('host.json'));
    const env = { ...installation.env, HOME: root };
    const bin = path.join(projectDir, 'bin', 'tapeflow.cjs');
    const tapeflow = (groups: string[], ...args: string[]) =>
      as(groups, process.execPath, [bin, ...args], env);
    for (const args of [['sets'], ['status', setId], ['ls', setId], ['find', '*.txt'], ['tape', 'list']]) {
      const { stdout, stderr, status } = tapeflow(member, ...args);
      assert.equal(status, 0, `${args.join(' ')}: ${stdout}${stderr}`);
      assert.match(stdout, /a\.txt|_000001|TAPE01/, args.join(' '));
    }
    for (const set of [setId, setId.replace(/1$/, '2')]) {
      const [archive = ''] = archivesOn(tapeDir, set);
      assert.match(as(member, 'tar', ['-tzf', archive]).stdout, /source\/a\.txt/);
    }

    const read = readableIn(member, dataDir);
    for (const name of ['catalog.db', 'catalog.db-wal', 'catalog.db-shm', 'logs/host.log'])
      assert.ok(read.includes(name), `${name} is not among ${read.join(' ')}`);
    const allowed = /^(catalog\.db(-wal|-shm|-newest\.json)?|this-host\.json|logs(\/.*)?|tape(\/.*)?)$/;
    assert.deepEqual(
      read.filter((name) => !allowed.test(name)),
      [],
    );
    const ofSets = [setId, setId.replace(/1$/, '2')].map((set) => path.join(tapeDir, set));
    const onTape = ofSets.flatMap((folder) => readdirSync(folder).map((name) => path.join(folder, name)));
    assert.ok(onTape.length >= 6, onTape.join(' '));
    for (const file of [...ofSets, ...onTape])
      assert.ok(read.includes(path.relative(dataDir, file)), `${file} cannot be read`);
    for (const name of read) {
      const { mode } = statSync(path.join(dataDir, name));
      assert.equal(mode & 0o027, 0, `${name} has mode ${mode.toString(8)}`);
    }
    assert.deepEqual(readableIn(member, stagingDir), []);
    const { stdout: rights } = await installation.run(['doctor']);
    assert.doesNotMatch(rights, /is open to|cannot be read by the group|does not let the group/);

    assert.deepEqual(
      [dataDir, tapeDir, stagingDir].flatMap((folder) => readableIn(outsider, folder)),
      [],
    );
    const refused = tapeflow(outsider, 'sets');
    assert.equal(refused.status, 2);
    assert.match(
      refused.stderr,
      /TAPEFLOW_SHARED_GROUP .* names the group "65533", which this user is not a member of/,
    );
  },
);

test('a group that the machine does not know is refused in a sentence', () => {
  assert.throws(
    () => loadSettings({ TAPEFLOW_SHARED_GROUP: 'no-such-group' }, '/nowhere'),
    /names the group "no-such-group", which this machine does not know/,
  );
  const [, , gid] = /^daemon:.*$/m.exec(readFileSync('/etc/group', 'utf8'))?.[0].split(':') ?? [];
  assert.deepEqual(groupNamed('daemon'), { name: 'daemon', gid: Number(gid) });
});

test('without the setting, modes do not hang on the umask of the process', async (t) => {
  const data = path.join(tempFolder(t), 'data');
  const before = process.umask(0o022);
  t.after(() => process.umask(before));
  messageKey(data);
  const catalog = await openCatalog(path.join(data, 'catalog.db'), data);
  t.after(() => catalog.destroy());
  assert.equal(statSync(data).mode & 0o7777, 0o700);
  for (const name of readdirSync(data))
    assert.equal(statSync(path.join(data, name)).mode & 0o777, 0o600, name);
});

test(
  'a copy that is put in the place of the catalog is the group’s too, and a copy beside it is not',
  asRoot,
  async (t) => {
    const root = tempFolder(t);
    const file = path.join(root, 'data', 'catalog.db');
    const copy = path.join(root, 'copy.db');
    setSharedGroup({ name: 'g', gid: group });
    t.after(() => setSharedGroup(undefined));
    const catalog = await openCatalog(file, path.dirname(file));
    await installationId(catalog);
    await backUpCatalog(file, copy);
    await catalog.destroy();
    await restoreCatalog(file, copy, { foreign: false });
    for (const ending of ['', '-newest.json']) {
      const { mode, gid } = statSync(file + ending);
      assert.deepEqual([mode & 0o777, gid], [0o640, group], ending);
    }
    assert.equal(statSync(copy).mode & 0o777, 0o600);
  },
);

test(
  'an owner who is not root, and whose own group is another, gives what SQLite makes to the group',
  asRoot,
  async (t) => {
    const root = tempFolder(t);
    chownSync(root, nobody, nobody);
    const script = `
      const { setSharedGroup } = await import('${projectDir}/dist/config/shared-group.js');
      const { openCatalog } = await import('${projectDir}/dist/catalog/open-catalog.js');
      const { statSync } = await import('node:fs');
      process.umask(0o077);
      setSharedGroup({ name: 'g', gid: ${group} });
      const file = process.argv[1] + '/data/catalog.db';
      const catalog = await openCatalog(file, process.argv[1] + '/data');
      const rights = () => ['', '-wal', '-shm'].map((end) => statSync(file + end)).map((s) => s.gid + ' ' + (s.mode & 0o777).toString(8));
      const open = rights();
      await catalog.destroy();
      console.log(JSON.stringify([...open, ...rights()]));`;
    const { stdout, stderr } = as(member, process.execPath, ['--input-type=module', '-e', script, root]);
    assert.deepEqual(JSON.parse(stdout || '[]'), Array<string>(6).fill(`${group} 640`), stderr);
  },
);

test(
  'doctor names what the group lacks, with the command that mends it, and finds no fault in what it may have',
  asRoot,
  (t) => {
    const root = tempFolder(t);
    chmodSync(root, 0o700);
    const data = path.join(root, 'data');
    const settings = loadSettings(
      { ...shared, TAPEFLOW_DATA_DIR: data, BACKUP_COMPRESS_DIR: data + '-s' },
      root,
    );
    const tape = settings.TAPE_PATH;
    mkdirSync(path.join(tape, '2026-11_000001'), { recursive: true, mode: 0o700 });
    messageKey(data);
    const found = () => checkRights(settings).map(({ finding, advice }) => `${finding} ${advice ?? ''}`);
    const all = found().join('\n');
    assert.match(
      all,
      new RegExp(`${data} cannot be read by the group.*chgrp 65533 ${data} && chmod 2750 ${data}\``),
    );
    assert.match(
      all,
      new RegExp(`${tape} cannot be read .*chgrp -R 65533 ${tape} && chmod -R u=rwX,g=rX,o= ${tape}\``),
    );
    assert.match(all, new RegExp(`${root} does not let the group .*chmod o\\+x ${root}\``));
    assert.equal(found().length, 3);
    for (const command of all.matchAll(/`([^`]*)`/g)) spawnSync('sh', ['-c', command[1] ?? '']);
    assert.deepEqual(found(), []);
    chmodSync(path.join(tape, '2026-11_000001'), 0o700);
    assert.match(found().join('\n'), /tape cannot be read by the group.*or not all of it/);
    chmodSync(path.join(tape, '2026-11_000001'), 0o750);
    chmodSync(path.join(data, 'message.key'), 0o640);
    assert.match(found().join('\n'), /message.key is open to its group.*for its user alone: `chmod 600/);
    assert.match(readFileSync(path.join(data, 'message.key'), 'utf8'), /^\w+$/m);
    setSharedGroup(undefined);
  },
);
