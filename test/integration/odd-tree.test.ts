import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { appendFileSync, chmodSync, linkSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { installationOfFile } from '../support/installation-of-file.js';
import { isThere, makeOddTree, noOddTree, oddDifferences } from '../support/odd-tree.js';
import { backedUp } from '../support/set-state.js';
import { archivesOn, settled, tempFolder } from '../support/trees.js';

const shared = installationOfFile();

/** The programs that a person has without tapeflow, and how they extract everything they can. */
const extractors: Record<string, (archive: string) => string[]> = {
  tar: (archive) => ['--xattrs', '--xattrs-include=*', '--acls', '--numeric-owner', '-xpf', archive],
  bsdtar: (archive) => ['--acls', '--xattrs', '--numeric-owner', '-xpf', archive],
};

function extract(program: string, archives: readonly string[], target: string): void {
  for (const archive of archives)
    execFileSync(program, extractors[program]?.(archive) ?? [], {
      cwd: target,
      // bsdtar converts names to the locale's characters.
      env: { ...process.env, LC_ALL: 'C.UTF-8' },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
}

test('a tree with all that Linux knows of a file comes back as it was', { skip: noOddTree() }, async (t) => {
  const source = path.join(tempFolder(t), 'odd');
  makeOddTree(source);
  const installation = await shared();
  await settled(source);
  const full = await backedUp(installation, source);

  await t.test('through restore', async (t) => {
    const target = tempFolder(t);
    const { code, stdout, stderr } = await installation.run(['restore', full, '--target', target]);
    assert.equal(code, 0, stdout + stderr);
    assert.deepEqual(oddDifferences(path.join(target, source), source), []);
  });

  for (const program of Object.keys(extractors))
    await t.test(`through ${program}`, { skip: !isThere(program) && `needs ${program}` }, (t) => {
      const target = tempFolder(t);
      extract(program, archivesOn(installation.tapeDir, full), target);
      assert.deepEqual(oddDifferences(path.join(target, source), source), []);
    });

  await t.test('and after an incremental set, in which some of it has changed', async (t) => {
    changeOddTree(source);
    await settled(source);
    const next = await backedUp(installation, source, '--mode', 'incremental');
    const target = tempFolder(t);
    const { code, stdout, stderr } = await installation.run(['restore', next, '--target', target]);
    assert.equal(code, 0, stdout + stderr);
    assert.deepEqual(oddDifferences(path.join(target, source), source), []);
  });
});

/** Changes contents, holes, names and, of some files, only what is known about them. */
function changeOddTree(root: string): void {
  const at = (name: string) => path.join(root, name);
  const run = (program: string, ...args: string[]) => execFileSync(program, args);
  appendFileSync(at('plain/empty'), 'not empty any more\n');
  writeFileSync(at('attributes/acl'), 'shared with one user\n');
  run('setfacl', '-x', 'u:12345', at('attributes/acl'));
  run('setfattr', '-n', 'user.comment', '-v', 'another comment', at('attributes/user'));
  run('setfattr', '-x', 'security.capability', at('attributes/program'));
  chmodSync(at('plain/noise'), 0o600);
  run('chown', '1:2', at('attributes/many'));
  linkSync(at('holes/image'), at('holes/second name of the image'));
  run('fallocate', '--punch-hole', '--offset', '0', '--length', '4096', at('holes/many'));
  mkdirSync(at('new'));
  renameSync(at('special/pipe'), at('new/pipe'));
}
