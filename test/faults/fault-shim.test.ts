import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { projectDir } from '../../config/project-dir.js';
import { buildShim, FaultShim } from '../support/fault-shim.js';
import { tempFolder } from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';

const built = buildShim();
const skip = 'missing' in built ? built.missing : false;
const library = 'library' in built ? built.library : '';

/**
 * Every kind of change to files that the product makes, by Node's calls of both kinds, from a thread, and by SQLite.
 */
const program = (folder: string) => `
  const fs = require('node:fs');
  const at = (name) => ${JSON.stringify(folder)} + '/' + name;
  const Database = require(${JSON.stringify(path.join(projectDir, 'node_modules', 'better-sqlite3'))});
  (async () => {
    fs.mkdirSync(at('a/b'), { recursive: true });
    const file = fs.openSync(at('a/x.part'), 'wx');
    fs.writeSync(file, Buffer.alloc(1000));
    fs.writevSync(file, [Buffer.alloc(10), Buffer.alloc(20)]);
    fs.ftruncateSync(file, 500);
    fs.fsyncSync(file);
    fs.closeSync(file);
    fs.renameSync(at('a/x.part'), at('a/x'));
    const handle = await fs.promises.open(at('a/y'), 'w');
    await handle.write(Buffer.alloc(100), 0, 100, 0);
    await handle.writev([Buffer.alloc(10), Buffer.alloc(20)], 100);
    await handle.datasync();
    await handle.close();
    await fs.promises.rename(at('a/y'), at('a/z'));
    await fs.promises.rm(at('a/z'));
    await fs.promises.rmdir(at('a/b'));
    const database = new Database(at('catalog.db'));
    database.pragma('journal_mode = WAL');
    database.pragma('synchronous = FULL');
    database.exec('create table t (x); insert into t values (1)');
    database.close();
  })();
`;

/** The names that the shim has for system calls. */
function kindOf(call: string, text: string): string | undefined {
  if (call === 'openat' || call === 'open') return text.includes('O_CREAT') ? 'open' : undefined;
  if (call === 'unlinkat') return text.includes('AT_REMOVEDIR') ? 'rmdir' : 'unlink';
  return call.replace(/^p?writev?(64)?$/, 'write').replace(/^(rename|mkdir)at2?$/, '$1');
}

test('the shim sees every file operation of Node and SQLite that the system sees', { skip }, (t) => {
  if (spawnSync('strace', ['-V']).status !== 0) return t.skip('needs strace');
  const folder = tempFolder(t);
  const shim = new FaultShim(library, tempFolder(t), 'strace', { folders: [folder], commits: '' });
  const trace = path.join(tempFolder(t), 'trace');
  const calls = [
    'open',
    'openat',
    'write',
    'pwrite64',
    'writev',
    'pwritev',
    'pwritev2',
    'fsync',
    'fdatasync',
  ];
  calls.push(
    'rename',
    'renameat',
    'renameat2',
    'unlink',
    'unlinkat',
    'mkdir',
    'mkdirat',
    'rmdir',
    'ftruncate',
  );
  calls.push(
    'truncate',
    'link',
    'linkat',
    'symlink',
    'copy_file_range',
    'sendfile',
    'fallocate',
    'io_uring_enter',
  );
  const preload = Object.entries(shim.env).flatMap(([name, value]) => ['-E', `${name}=${value}`]);
  const strace = ['-f', '-y', '-qq', '-e', `trace=${calls.join(',')}`, '-o', trace, ...preload];
  const { status, stderr } = spawnSync('strace', [...strace, process.execPath, '-e', program(folder)]);
  assert.equal(status, 0, String(stderr));
  const seen: string[] = [];
  for (const line of readFileSync(trace, 'utf8').split('\n')) {
    const [, call = '', text = ''] = /^\d+ +(\w+)\((.*)$/.exec(line) ?? [];
    const kind = text.includes(folder) ? kindOf(call, text) : undefined;
    if (kind !== undefined) seen.push(kind);
  }
  assert.ok(seen.length > 30, String(seen.length));
  const counted = shim.operations().map((operation) => operation.name);
  assert.deepEqual(counted.sort(), seen.sort());
});

test(
  'the shim fails, cuts, stops and kills at the operation that it was armed for, and only there',
  { skip },
  async (t) => {
    const folder = tempFolder(t);
    const shim = new FaultShim(library, tempFolder(t), 'armed', { folders: [folder], commits: '' });
    const run = (code: string) =>
      spawnSync(process.execPath, ['-e', `const fs = require('node:fs'); ${code}`], {
        env: { ...process.env, ...shim.env },
        encoding: 'utf8',
      });
    const file = path.join(folder, 'x');
    const write = `const fd = fs.openSync(${JSON.stringify(file)}, 'w');
    for (let i = 0; i < 3; i += 1) try { console.log(fs.writeSync(fd, Buffer.alloc(100))); } catch (e) { console.log(e.code); }`;

    shim.arm({ action: 'fail', operation: 'write', path: '*/x', at: 2, error: 'ENOSPC' });
    assert.equal(run(write).stdout, '100\nENOSPC\n100\n');
    shim.arm({ action: 'shorten', operation: 'write', at: 1 });
    // Node itself continues a short write: 50 + 50 bytes, 100, 100.
    assert.equal(run(write).stdout, '100\n100\n100\n');
    assert.deepEqual(
      [shim.operations().filter(({ name }) => name === 'write').length, shim.struck().times],
      [4, 1],
    );
    shim.arm({ action: 'killBefore', operation: 'write', at: 2, pids: [-1] });
    assert.deepEqual([run(write).signal, statSync(file).size], ['SIGKILL', 100]);
    shim.arm({ action: 'killAfter', operation: 'write', at: 2, pids: [-1] });
    assert.deepEqual([run(write).signal, statSync(file).size], ['SIGKILL', 200]);
    assert.equal(run(write).stdout, '100\n100\n100\n', 'it strikes once, also over several processes');

    shim.arm({ action: 'freeze', operation: 'write', at: 2 });
    writeFileSync(file, '');
    const child = spawn(process.execPath, ['-e', `const fs = require('node:fs'); ${write}`], {
      env: { ...process.env, ...shim.env },
    });
    t.after(() => child.kill('SIGKILL'));
    const isStopped = () => /^State:\s+T/m.test(readFileSync(`/proc/${child.pid}/status`, 'utf8'));
    await waitFor(() => shim.struck().times === 1 && isStopped(), 'the process to stop');
    assert.equal(statSync(file).size, 100);
    child.kill('SIGCONT');
    await new Promise((resolve) => child.once('exit', resolve));
    assert.equal(statSync(file).size, 300);
  },
);
