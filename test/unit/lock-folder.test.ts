import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  rmdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { tryLock } from '../../config/exclusive-lock.js';
import type { TapeflowFailure } from '../../config/failures.js';
import { holderOfVersionBefore, requireLockFolder } from '../../config/lock-folder.js';
import { defaultLockDir } from '../../config/settings.js';
import { tempFolder } from '../support/trees.js';

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
  assert.equal(holderOfVersionBefore('drive-1.lock', folder), process.pid);
  taken.lock.release();
  assert.equal(holderOfVersionBefore('drive-1.lock', folder), undefined);
});

test('the default lock folder is one that another user cannot write to', () => {
  assert.equal(defaultLockDir('linux', {}, 0), '/run/tapeflow-locks');
  assert.equal(defaultLockDir('linux', { XDG_RUNTIME_DIR: '/elsewhere' }, 1000), '/tmp/tapeflow-locks-1000');
  assert.equal(defaultLockDir('win32', {}), 'C:\\ProgramData\\tapeflow\\locks');
});
