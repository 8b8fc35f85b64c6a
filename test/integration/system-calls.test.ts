import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { projectDir } from '../../config/project-dir.js';
import { Installation } from '../support/installation.js';
import { noise, tempFolder, writeTree } from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';

interface Call {
  name: string;
  text: string;
}

/** System calls that strace has noted down, in the order of their ends, over all threads. */
function callsOf(file: string): Call[] {
  const calls: { at: number; call: Call }[] = [];
  const begun = new Map<string, string>();
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    const match = /^(\d+) +(\d+\.\d+) (.*)$/.exec(line);
    if (match === null) continue;
    const [, pid = '', at = '', text = ''] = match;
    const unfinished = /^(\w+)\((.*) <unfinished \.\.\.>$/.exec(text);
    if (unfinished !== null) {
      begun.set(pid, text.replace(' <unfinished ...>', ''));
      continue;
    }
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(text);
    const whole = resumed === null ? text : `${begun.get(pid) ?? ''}${resumed[1] ?? ''}`;
    const name = /^(\w+)\(/.exec(whole)?.[1];
    if (name !== undefined && / = 0\b/.test(whole))
      calls.push({ at: Number(at), call: { name, text: whole } });
  }
  return calls.map(({ call }) => call);
}

test('bytes are synced before they get their name, names before the next step, and staging is deleted last', async (t) => {
  if (spawnSync('strace', ['-V']).status !== 0) return t.skip('needs strace');
  const source = tempFolder(t);
  writeTree(source, { a: noise(300_000, 'strace') });
  const traces = tempFolder(t);
  // Every process of the installation, workers too, runs under strace: `node` is a script that says so.
  const wrapper = path.join(traces, 'node');
  const watched = 'trace=fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat';
  writeFileSync(
    wrapper,
    `#!/bin/sh\nexec strace -f -ttt -y -s 300 -e ${watched} -o ${traces}/trace.$$ ${process.execPath} "$@"\n`,
    { mode: 0o755 },
  );
  const installation = await Installation.make(t);
  const { address, stop } = await ownServer(t, installation);
  const env = { TEMPORAL_ADDRESS: address };
  const environment = { ...process.env, ...installation.env, ...env } as Record<string, string>;
  for (const args of [['archive'], ['tape', '--drive', 'lto1']]) {
    const child = spawn(wrapper, [path.join(projectDir, 'bin', 'tapeflow.cjs'), 'worker', ...args], {
      env: environment,
      stdio: 'ignore',
    });
    t.after(() => child.kill('SIGKILL'));
  }
  const result = await installation.json<{ status: string; setId: string }>(['backup', source], env);
  assert.equal(result.status, 'completed');
  await installation.killAll();
  await stop();

  const calls = (await waitFor(() => {
    const all = readdirSync(traces)
      .filter((name) => name.startsWith('trace.'))
      .map((name) => callsOf(path.join(traces, name)));
    return all.length === 2 ? all : undefined;
  }, 'the traces')) as Call[][];
  const archive = `backup_${result.setId}_000001.tar.gz`;
  const [compress, tape] = [
    calls.find((all) => all.some(({ text }) => text.includes('/temp/'))),
    calls.find((all) => all.some(({ text }) => text.includes(`/tape/${result.setId}`))),
  ];
  assert.ok(compress !== undefined && tape !== undefined);
  inOrder(compress, [
    ['fsync', `/staging/temp/${result.setId}/${archive}.`, '.part'],
    ['fsync', 'catalog.db-wal'],
    ['rename', `${archive}.`, `/temp/${result.setId}/${archive}"`],
    ['fsync', `/staging/temp/${result.setId}>`],
    ['rename', `/temp/${result.setId}/${archive}"`, `/final/${result.setId}/${archive}"`],
    ['fsync', `/staging/final/${result.setId}>`],
    ['fsync', `/staging/temp/${result.setId}>`],
    ['unlink', `/final/${result.setId}/${archive}"`],
  ]);
  inOrder(tape, [
    ['fsync', `/tape/${result.setId}/${archive}.`, '.part'],
    ['rename', `${archive}.`, `/tape/${result.setId}/${archive}"`],
    ['fsync', `/tape/${result.setId}>`],
    ['fsync', 'catalog.db-wal'],
  ]);
});

/**
 * Each step is found after the one before it; `fsync` stands for fdatasync too, `rename` and `unlink` for their kin.
 */
function inOrder(calls: Call[], steps: string[][]): void {
  let at = 0;
  for (const [name = '', ...parts] of steps) {
    const next = calls.findIndex((call, index) => {
      const kin = name === 'fsync' ? /^f(data)?sync$/.test(call.name) : call.name.startsWith(name);
      return index >= at && kin && parts.every((part) => call.text.includes(part));
    });
    assert.ok(
      next >= 0,
      `no ${name} of ${parts.join(' … ')} after call ${at} of ${calls.length}:\n${calls
        .slice(at, at + 40)
        .map((call) => call.text)
        .join('\n')}`,
    );
    at = next + 1;
  }
}

/** A Temporal server of the test's own, as somebody with TEMPORAL_ADDRESS has one. */
async function ownServer(t: TestContext, installation: Installation) {
  const env = await TestWorkflowEnvironment.createLocal({
    server: { executable: { type: 'existing-path', path: installation.env['TEMPORAL_CLI_PATH'] ?? '' } },
  });
  let stopped = false;
  const stop = async () => {
    if (!stopped) await env.teardown();
    stopped = true;
  };
  t.after(stop);
  return { address: env.address, stop };
}
