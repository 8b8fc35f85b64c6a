import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import Database from 'better-sqlite3';
import { catalogFailure } from '../../catalog/sqlite/catalog-failure.js';
import { TapeflowFailure } from '../../config/failures.js';
import { projectDir } from '../../config/project-dir.js';
import { tempFolder } from '../support/trees.js';

test('under another Node than the packages were compiled for, every command and doctor say what mends it', (t) => {
  const root = tempFolder(t);
  const shim = path.join(root, 'shim.cjs');
  // What Node says when the system has changed it; there is only one Node here to try it with.
  writeFileSync(
    shim,
    `const load = process.dlopen;
     process.dlopen = (module, file, ...more) => {
       if (!file.includes('better_sqlite3')) return load(module, file, ...more);
       throw Object.assign(new Error("The module '" + file + "'\\nwas compiled against a different Node.js version using\\nNODE_MODULE_VERSION 108. This version of Node.js requires\\nNODE_MODULE_VERSION 115. Please try re-compiling or re-installing\\nthe module (for instance, using \`npm rebuild\` or \`npm install\`)."), { code: 'ERR_DLOPEN_FAILED' });
     };`,
  );
  const env = {
    ...process.env,
    TAPEFLOW_DATA_DIR: path.join(root, 'data'),
    NODE_OPTIONS: `--require ${shim}`,
  };
  for (const args of [['tape', 'label', 'A', '--pool', 'p'], ['backup', root], ['sets'], ['doctor']]) {
    const { stdout, stderr, status } = spawnSync(
      process.execPath,
      [path.join(projectDir, 'bin', 'tapeflow.cjs'), ...args],
      { env, encoding: 'utf8' },
    );
    assert.equal(status, 1, `${args.join(' ')}: ${stdout}${stderr}`);
    assert.match(
      stdout + stderr,
      /ABI 108 instead of 115.*`npm rebuild better-sqlite3` in /s,
      args.join(' '),
    );
    assert.doesNotMatch(stderr, /\n./, 'one line');
  }
});

test('a file system that has not what SQLite needs is named as that', () => {
  for (const code of ['SQLITE_IOERR_SHMMAP', 'SQLITE_IOERR_SHMOPEN', 'SQLITE_IOERR_LOCK']) {
    const failure = catalogFailure(new Database.SqliteError('disk I/O error', code), '/srv/catalog.db');
    assert.ok(failure instanceof TapeflowFailure);
    assert.match(
      failure.sentence,
      /file system.*cannot do what SQLite needs.*Put it on a disk of this machine/,
    );
  }
  const disk = catalogFailure(
    new Database.SqliteError('disk I/O error', 'SQLITE_IOERR_FSYNC'),
    '/srv/catalog.db',
  );
  assert.match((disk as TapeflowFailure).sentence, /disk of the catalog .* fails/);
});

test('a Node that is older than package.json asks for is refused in a sentence', () => {
  const script = path.join(projectDir, 'bin', 'require-node.cjs');
  const under = (version: string) =>
    spawnSync(
      process.execPath,
      [
        '-e',
        `Object.defineProperty(process, 'versions', { value: { node: '${version}' } }); require('${script}');`,
      ],
      { encoding: 'utf8' },
    );
  for (const version of ['18.20.8', '20.2.0', '9.11.2']) {
    const { status, stderr } = under(version);
    assert.equal(status, 1, version);
    assert.match(stderr, /^tapeflow: it needs Node 20\.3\.0 or newer, and this is v.*\.\n$/);
  }
  for (const version of ['20.3.0', '20.10.0', '22.0.0-nightly', '100.0.0'])
    assert.equal(under(version).status, 0, version);
});
