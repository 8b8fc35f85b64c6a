import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, closeSync, mkdirSync, readdirSync, statSync, utimesSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { examineManifest } from '../../archive/manifest/examine-manifest.js';
import { openFile } from '../../archive/pack/source-file.js';
import { plannedMember } from '../../catalog/files/members.js';
import type { PlannedRow } from '../../catalog/files/files.js';
import { toBytes } from '../../entry/byte-string.js';
import { loadAddon } from '../../native/addon.js';
import { walk } from '../../source/walk.js';
import { header, packHere, unpackHere } from '../support/archive-here.js';
import { deepTempFolder, writeDeepTree } from '../support/hostile-tree.js';
import { plan } from '../support/plan.js';
import { asNobody, tempFolder, writeTree } from '../support/trees.js';

const notLinux = process.platform !== 'linux' && 'needs Linux';
const notRoot = process.getuid?.() !== 0 && 'needs root, who can become another user';

/** Names and contents of a tree of any depth, by a program that goes from folder to folder. */
function told(root: string): string[] {
  const script = `
import os, sys
for path, folders, files, fd in os.fwalk(sys.argv[1]):
    for name in folders: print(os.path.relpath(os.path.join(path, name), sys.argv[1]) + '/')
    for name in files:
        opened = os.open(name, os.O_RDONLY, dir_fd=fd)
        print(os.path.join(path, name)[len(sys.argv[1]) + 1:], os.read(opened, 1000).decode())
        os.close(opened)
`;
  return execFileSync('python3', ['-c', script, root], { encoding: 'utf8' }).trim().split('\n').sort();
}

test(
  'paths that are longer than the system takes in one call are stored, and come back',
  { skip: notLinux },
  async (t) => {
    const root = deepTempFolder(t);
    writeDeepTree(root);
    const planned = plan(root);
    const longest = planned.reduce((a, b) => (a.name.length > b.name.length ? a : b));
    assert.ok(longest.name.length > 4096 && longest.name.endsWith('/below'), `${longest.name.length}`);
    const made = await packHere(t, planned);
    assert.deepEqual(made.skipped, []);
    const target = deepTempFolder(t);
    const results = await unpackHere(made, target);
    assert.deepEqual(
      results.filter(({ outcome }) => outcome !== 'restored'),
      [],
    );
    const back = told(path.join(target, root));
    assert.equal(back.length, planned.length - 1);
    assert.deepEqual(back, told(root));
  },
);

test(
  'a folder that may not be listed is stored itself, and its contents are named as missing',
  { skip: notRoot },
  async (t) => {
    const root = tempFolder(t);
    writeTree(root, { 'closed/inside': 'secret', 'open/file': 'x' });
    chmodSync(root, 0o755);
    chmodSync(path.join(root, 'closed'), 0o711);
    chmodSync(path.join(root, 'open'), 0o755);
    const options = { sources: [root], excludes: [], ownFolders: [], after: undefined };
    const walked = await asNobody(() => [...walk({ ...options, onLeftOut: () => undefined })]);
    const closed = walked.find(({ name }) => name.endsWith('/closed/'));
    assert.equal(
      closed?.skipped,
      'cannot be listed, so its contents are not in the backup: permission denied (EACCES)',
    );
    const row = { path: toBytes(closed.name), type: closed.type, state: 'skipped', reason: closed.skipped };
    const asked = plannedMember({ link_target: null, hard_link_of: null, ...row } as unknown as PlannedRow);
    assert.equal(asked?.unlisted, closed.skipped);
    assert.equal(
      plannedMember({ ...row, reason: 'vanished after the scan' } as unknown as PlannedRow),
      undefined,
    );

    const planned = plan(root).filter(({ name }) => !name.endsWith('/inside'));
    for (const entry of planned) if (entry.name === closed.name) entry.unlisted = closed.skipped;
    const made = await packHere(t, planned);
    assert.deepEqual(made.skipped, [{ name: closed.name, reason: closed.skipped }]);
    assert.deepEqual(made.packed.find(({ name }) => name === closed.name)?.flags, ['unlisted']);
    const facts = await examineManifest(made.manifest, {
      set: header.set,
      group: 1,
      archives: [header.archive],
    });
    assert.equal('end' in facts ? facts.entries : facts.wrong, planned.length);
    const target = tempFolder(t);
    execFileSync('tar', ['xpf', made.archive, '-C', target]);
    assert.equal(statSync(path.join(target, closed.name)).mode & 0o7777, 0o711);
    assert.deepEqual(readdirSync(path.join(target, closed.name)), []);
  },
);

test(
  'reading leaves access times as they are, where this user may have it so',
  { skip: notRoot || notLinux },
  async (t) => {
    const root = tempFolder(t);
    writeTree(root, { mine: 'x', theirs: 'y' });
    const long = new Date('2001-01-01');
    const names = ['mine', 'theirs', ...(loadAddon()?.listFolder === undefined ? [] : ['.', 'in'])];
    mkdirSync(path.join(root, 'in'));
    for (const name of names) utimesSync(path.join(root, name), long, new Date('2002-01-01'));
    const planned = plan(root);
    await packHere(t, planned);
    for (const name of names) assert.deepEqual(statSync(path.join(root, name)).atime, long, name);
    assert.equal(planned.length, 4);
    // Another user may not have it so of a file that is not theirs, and reads it all the same.
    chmodSync(root, 0o755);
    chmodSync(path.join(root, 'theirs'), 0o644);
    closeSync(
      await asNobody(() => openFile({ uid: 0, dev: '', ino: '' }, toBytes(path.join(root, 'theirs')))),
    );
  },
);
