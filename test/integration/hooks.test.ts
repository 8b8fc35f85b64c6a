import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { startOf } from '../../operations/hooks/hook-process.js';
import { installationOfFile } from '../support/installation-of-file.js';
import { tempFolder, writeTree } from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';

const installationOf = installationOfFile();

test('what a before makes is backed up; a worker that is killed in it leaves nothing, and it runs again', async (t) => {
  const installation = await installationOf();
  const source = tempFolder(t);
  const notes = tempFolder(t);
  const [journal, gate, pidFile] = ['journal', 'gate', 'pid'].map((name) => path.join(notes, name)) as [
    string,
    string,
    string,
  ];
  writeTree(source, { 'kept.txt': 'kept' });
  const shell = (line: string) => ['/bin/sh', '-c', line];
  const hooks = {
    dump: {
      before: shell(
        `echo before >> ${journal}; echo $$ > ${pidFile}; while ! test -e ${gate}; do sleep 0.1; done; echo dump > ${source}/dump`,
      ),
      after: shell(`rm ${source}/dump; echo "after $TAPEFLOW_HOOK_STATE" >> ${journal}`),
    },
    broken: {
      before: shell('echo no room >&2; exit 5'),
      after: shell(`echo "after $TAPEFLOW_HOOK_STATE" >> ${journal}`),
    },
  };
  const config = path.join(notes, 'config.json');
  writeFileSync(config, JSON.stringify({ hooks }));
  const env = { TAPEFLOW_CONFIG: config };
  const written = () => (existsSync(journal) ? readFileSync(journal, 'utf8').trim().split('\n') : []);

  const unknown = await installation.run(['backup', source, '--hook', 'dumb'], env);
  assert.equal(unknown.code, 2);
  assert.match(unknown.stderr, /There is no hook "dumb"; the hooks are: dump, broken\./);

  const { setId } = await installation.json<{ setId: string }>(
    ['backup', source, '--hook', 'dump', '--detach'],
    env,
  );
  const watch = installation.start(['watch', setId], env);
  await waitFor(
    () => existsSync(pidFile) && readFileSync(pidFile, 'utf8') !== '',
    'the before to be at work',
  );
  const first = Number(readFileSync(pidFile, 'utf8'));
  const worker = await installation.worker('archive');
  assert.ok(worker !== undefined);
  process.kill(worker, 'SIGKILL');
  await waitFor(() => written().length === 2, 'the before to run again');
  assert.equal(startOf(first), undefined, 'two of them would be at work');
  writeFileSync(gate, '');
  const { code, stdout, stderr } = await watch.ended;
  assert.equal(code, 0, stdout + stderr);
  assert.match(stdout, /hook before: done/);
  assert.deepEqual(written(), ['before', 'before', 'after read']);
  assert.ok(!existsSync(path.join(source, 'dump')));
  const held = await installation.json<{ path: string }>(['find', 'dump'], env);
  assert.equal(held.path, `${source}/dump`);

  rmSync(journal);
  const failed = await installation.run(['backup', source, '--hook', 'broken', '--allow-shrunk'], env);
  assert.equal(failed.code, 1, failed.stdout);
  assert.match(
    failed.stdout,
    /The before of the hook broken has failed: \/bin\/sh ended with exit code 5: no room/,
  );
  assert.deepEqual(written(), ['after failed']);
});
