import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  rmdirSync,
  readdirSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { tryLock } from '../../disk/exclusive-lock.js';
import type { TapeflowFailure } from '../../config/failures.js';
import { oldVersionLockHolder, requireLockFolder } from '../../disk/lock-folder.js';
import { defaultLockDir } from '../../config/settings/complete-settings.js';
import { loadSettings } from '../../config/settings/load-settings.js';
import { lockDrive } from '../../tape/drives/drive-lock.js';
import { lockByProgram, lockFolder } from '../../tape/drives/folder-lock.js';
import { tempFolder } from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';

const holder = { role: 'test', dataDir: '/data' };
const failsWith = (code: string, words: RegExp) => (error: TapeflowFailure) =>
  error.code === code && words.test(error.sentence);

test('a link in the place of a lock or of its holder is never written through', (t) => {
  const folder = tempFolder(t);
  const secret = path.join(folder, 'secret');
  writeFileSync(secret, 'secret', { mode: 0o600 });
  const lock = path.join(folder, 'a.lock');
  symlinkSync(secret, `${lock}.holder.json`);
  const taken = tryLock(lock, holder);
  assert.ok('lock' in taken);
  const busy = tryLock(lock, holder);
  assert.ok('heldBy' in busy && busy.heldBy?.pid === process.pid);
  taken.lock.release();
  assert.ok(!lstatSync(`${lock}.holder.json`).isSymbolicLink());
  for (const plant of [symlinkSync, linkSync]) {
    const other = path.join(folder, `${plant.name}.lock`);
    plant(secret, other);
    assert.throws(() => tryLock(other, holder), failsWith('LockUnusable', /it is a (symbolic|hard) link/));
  }
  assert.equal(readFileSync(secret, 'utf8'), 'secret');
  assert.equal(statSync(secret).mode & 0o777, 0o600);
});

test('a lock whose holder cannot be written down is not held by anybody, and the sentence says why', (t) => {
  const lock = path.join(tempFolder(t), 'a.lock');
  const inTheWay = `${lock}.holder.json`;
  mkdirSync(inTheWay);
  assert.throws(
    () => tryLock(lock, holder),
    failsWith('LockUnusable', /who holds the lock cannot be written/),
  );
  rmdirSync(inTheWay);
  const taken = tryLock(lock, holder);
  assert.ok('lock' in taken, 'the first try holds nothing');
  taken.lock.release();
});

test('a lock folder is for its user alone, and one that everybody can write to, or a link, is refused', (t) => {
  const root = tempFolder(t);
  const own = path.join(root, 'own');
  requireLockFolder(own);
  assert.equal(statSync(own).mode & 0o777, 0o700);
  const open = path.join(root, 'open');
  mkdirSync(open);
  chmodSync(open, 0o777);
  assert.throws(
    () => requireLockFolder(open),
    failsWith('LockFolderUnsafe', /can be written by every user.*TAPEFLOW_LOCK_DIR/),
  );
  const link = path.join(root, 'link');
  symlinkSync(own, link);
  assert.throws(() => requireLockFolder(link), failsWith('LockFolderUnsafe', /symbolic link/));
  const shared = path.join(root, 'shared');
  mkdirSync(shared);
  chmodSync(shared, 0o2770);
  requireLockFolder(shared);
  const taken = tryLock(path.join(shared, 'x.lock'), holder);
  assert.ok('lock' in taken);
  taken.lock.release();
  for (const name of ['x.lock', 'x.lock.holder.json'])
    assert.equal(statSync(path.join(shared, name)).mode & 0o777, 0o660, `${name} is for the group`);
  const mine = tryLock(path.join(own, 'x.lock'), holder);
  assert.ok('lock' in mine);
  mine.lock.release();
  assert.equal(statSync(path.join(own, 'x.lock')).mode & 0o777, 0o600);
});

test('a lock that a version before holds in its folder is seen without opening its file', (t) => {
  if (process.platform !== 'linux' || !existsSync('/proc/locks')) return t.skip('no list of locks');
  const folder = tempFolder(t);
  const taken = tryLock(path.join(folder, 'drive-1.lock'), holder);
  assert.ok('lock' in taken);
  assert.equal(oldVersionLockHolder('drive-1.lock', folder), process.pid);
  taken.lock.release();
  assert.equal(oldVersionLockHolder('drive-1.lock', folder), undefined);
});

test('the default lock folder is one that another user cannot write to', () => {
  assert.equal(defaultLockDir('linux', {}, 0), '/run/tapeflow-locks');
  assert.equal(defaultLockDir('linux', { XDG_RUNTIME_DIR: '/elsewhere' }, 1000), '/tmp/tapeflow-locks-1000');
  assert.equal(defaultLockDir('win32', {}), 'C:\\ProgramData\\tapeflow\\locks');
});

/** Holds the lock of a folder as another program, or another user, would. */
async function heldBy(t: TestContext, folder: string, uid?: number): Promise<ChildProcess> {
  const child = spawn('flock', ['-x', folder, 'sh', '-c', 'echo held; exec sleep 600'], {
    stdio: ['ignore', 'pipe', 'ignore'],
    ...(uid === undefined ? {} : { uid, gid: uid }),
    detached: true,
  });
  const end = () => {
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null)
      process.kill(-child.pid, 'SIGKILL');
  };
  t.after(end);
  await once(child.stdout as NodeJS.ReadableStream, 'data');
  return child;
}

test('users with lock folders of their own exclude each other on a drive while one writes, and only so long', async (t) => {
  const drivePath = tempFolder(t);
  const lockOf = (user: string) => {
    const root = tempFolder(t);
    const env = {
      TAPEFLOW_DATA_DIR: root,
      TAPEFLOW_LOCK_DIR: path.join(root, 'locks'),
      TAPE_PATH: drivePath,
    };
    const settings = loadSettings(env, root);
    const lock = lockDrive(settings, settings.drives[0] ?? assert.fail(), user);
    t.after(() => lock.release());
    return lock;
  };
  const [mine, theirs] = [lockOf('mine'), lockOf('theirs')];
  const medium = { key: '1:2', volume: null };
  const isOpen = () =>
    readdirSync('/proc/self/fd').some((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`) === drivePath;
      } catch {
        return false;
      }
    });
  const isHeld = failsWith(
    'TapeBusy',
    /is being written to by (another process|pid \d+ of user .*), who has another/,
  );
  await mine.hold(medium, async () => {
    await assert.rejects(
      theirs.hold(medium, () => Promise.resolve()),
      isHeld,
    );
  });
  assert.equal(await theirs.hold(medium, () => Promise.resolve('written')), 'written');
  await assert.rejects(
    mine.hold(medium, () => Promise.reject(new Error('of the work'))),
    /of the work/,
  );
  if (process.platform === 'linux') assert.ok(!isOpen(), 'nothing keeps the tape from being unmounted');
  const other = await heldBy(t, drivePath);
  await assert.rejects(
    mine.hold(medium, () => Promise.resolve()),
    failsWith('TapeBusy', /by pid \d+ of user /),
  );
  process.kill(-(other.pid ?? assert.fail()), 'SIGKILL');
  await waitFor(async () => 'release' in (await released(drivePath)), 'the lock to be free');
});

/** Asks for the lock of a folder, and gives it back. */
async function released(folder: string) {
  const taken = await lockFolder(folder);
  if ('release' in taken) await taken.release();
  return taken;
}

test('the lock of a folder is the same with the native part and without it', async (t) => {
  const folder = tempFolder(t);
  const taken = await lockFolder(folder, lockByProgram);
  assert.ok('release' in taken);
  assert.ok('heldBy' in (await lockFolder(folder)));
  assert.ok('heldBy' in (await lockFolder(folder, lockByProgram)));
  await taken.release();
  assert.ok('release' in (await released(folder)));
  assert.ok('release' in (await lockFolder(folder, () => Promise.resolve('unable'))));
});

test('a user who cannot write to a drive holds up nobody who can', async (t) => {
  if (process.getuid?.() !== 0) return t.skip('needs root for another user');
  const folder = tempFolder(t);
  chmodSync(folder, 0o755);
  await heldBy(t, folder, 12_345);
  assert.ok('release' in (await released(folder)));
  chmodSync(folder, 0o777);
  const taken = await lockFolder(folder);
  assert.ok('heldBy' in taken && /pid \d+ of user uid 12345/.test(taken.heldBy));
});
