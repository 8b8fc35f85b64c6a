import assert from 'node:assert/strict';
import net from 'node:net';
import { test, type TestContext } from 'node:test';
import type { Settings } from '../../config/settings/settings.js';
import { tryLock } from '../../disk/exclusive-lock.js';
import { ControlPort } from '../../embedded/control-port.js';
import { hostLockFile, writeHostFile } from '../../embedded/host-file.js';
import { joinHost, joinSettledHost, type Lease } from '../../embedded/lease.js';
import { tempFolder } from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';

/** The control port of a host without server and workers, which its data folder names once it listens. */
async function hostIn(t: TestContext) {
  const dataDir = tempFolder(t);
  const state = { sticky: false, stopping: false, leftAlone: 0 };
  const port = new ControlPort({
    reports: () => [],
    isSticky: () => state.sticky,
    isStopping: () => state.stopping,
    stay: () => (state.sticky = true),
    stop: () => (state.stopping = true),
    leftAlone: () => {
      state.leftAlone += 1;
      state.stopping ||= !state.sticky;
    },
  });
  const controlPort = await port.listen();
  t.after(() => port.close());
  const named = { pid: process.pid, serverPid: 0, address: '', ui: '', controlPort, token: port.token };
  const listen = () => writeHostFile(dataDir, { ...named, sticky: state.sticky });
  /** What the host answers to a command that has started it, held it and leaves. */
  const leave = (): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = net.connect(controlPort, '127.0.0.1');
      let said = '';
      socket.setEncoding('utf8').on('data', (text: string) => (said += text));
      socket.once('error', reject).once('close', () => resolve(said.trim().split('\n').at(-1) ?? ''));
      socket.write(`${port.token} hold\n${port.token} leave\n`);
    });
  const settings = { TAPEFLOW_DATA_DIR: dataDir } as Settings;
  return { settings, state, listen, leave };
}

async function joined(settings: Settings): Promise<Lease> {
  const lease = await joinHost(settings);
  assert.ok(lease !== undefined);
  return lease;
}

test('who leaves a host is told whether it stops: not while another holds it, nor when it was told to stay', async (t) => {
  const { settings, state, listen, leave } = await hostIn(t);
  listen();
  const other = await joined(settings);
  assert.equal(await leave(), '{"stops":false}', 'another holds it');
  const third = await joined(settings);
  await waitFor(() => other.stays(), 'the other to hear of the third');
  await third.release();
  await waitFor(() => !other.stays(), 'the other to hear that it is alone');
  await other.stay();
  assert.equal(other.stays(), true);
  await other.release();
  await waitFor(() => state.leftAlone === 1, 'the host to be left alone');
  assert.equal(await leave(), '{"stops":false}', 'it was told to stay');
  state.sticky = false;
  assert.equal(await leave(), '{"stops":true}');
});

test('a host that stops takes no client any more, and does not stay', async (t) => {
  const { settings, state, listen } = await hostIn(t);
  listen();
  const lease = await joined(settings);
  state.stopping = true;
  assert.equal(await joinHost(settings), undefined);
  await assert.rejects(lease.stay(), { code: 'HostStops' });
  assert.equal(state.sticky, false);
});

test('a host that is just being started is waited for until it takes clients, and one that is stopping until it is gone', async (t) => {
  const { settings, state, listen } = await hostIn(t);
  const dataDir = settings.TAPEFLOW_DATA_DIR;
  const none = await joinSettledHost(settings, () => assert.fail('there is none'));
  assert.equal(none, undefined);
  const locked = tryLock(hostLockFile(dataDir), { role: 'host', dataDir });
  assert.ok('lock' in locked);
  const found = await joinSettledHost(settings, (holder) => {
    assert.match(holder, /\(host\)/);
    listen();
  });
  assert.ok(found !== undefined);
  state.stopping = true;
  const gone = await joinSettledHost(settings, () => locked.lock.release());
  assert.equal(gone, undefined);
});
