import assert from 'node:assert/strict';
import http from 'node:http';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { checkMetrics } from '../../client/checks/metrics-check.js';
import { freePort } from '../../embedded/free-port.js';
import { textServer } from '../../workers/metrics/local-socket.js';
import { Installation } from '../support/installation.js';
import { listening } from '../support/listening.js';
import { alertRules, boardQueries, declaredIn, namesIn } from '../support/metric-names.js';
import { noPrometheus, Prometheus, samplesOf } from '../support/prometheus.js';
import { longTest, noise, tempFolder, writeTree } from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';

/** What is published at an address now; undefined while nobody answers. */
async function scraped(address: string): Promise<string | undefined> {
  const answer = await fetch(`http://${address}/metrics`).catch(() => undefined);
  return answer?.ok === true ? answer.text() : undefined;
}

/** The workers whose figures are in a text. */
function workersIn(text: string | undefined): string[] {
  const workers = (text ?? '').matchAll(/^process_start_time_seconds\{worker="([^"]+)"\}/gm);
  return [...workers].map(([, worker = '']) => worker).sort();
}

const both = ['archive-worker', 'tape-worker-lto1'];

test(
  'a Prometheus that scrapes one address of a host knows of all its workers, whichever of them was killed',
  { skip: noPrometheus || longTest },
  async (t) => {
    const address = `127.0.0.1:${await freePort()}`;
    const installation = await Installation.make(t, { METRICS_ADDRESS: address });
    const source = tempFolder(t);
    writeTree(source, { 'a file': noise(3_000_000, 'metrics') });
    // Somebody else has the address: nothing of that holds up the workers.
    const stranger = http.createServer((_request, response) => response.writeHead(503).end());
    const [, port] = address.split(':');
    await new Promise<void>((resolve) => stranger.listen(Number(port), '127.0.0.1', resolve));
    t.after(() => stranger.close());
    const up = installation.start(['up']);
    const { setId, status } = await installation.json<{ setId: string; status: string }>(['backup', source]);
    assert.equal(status, 'completed');
    const logs = ['archive-worker', 'tape-worker-lto1'].map((role) =>
      path.join(installation.dataDir, 'logs', `${role}.log`),
    );
    const told = () => logs.map((file) => (existsSync(file) ? readFileSync(file, 'utf8') : '')).join('');
    await waitFor(
      () => told().includes(`no metrics at ${address} (METRICS_ADDRESS)`),
      'the log to say who has none',
    );
    assert.equal((await checkMetrics(address)).level, 'trouble');
    stranger.closeAllConnections();
    stranger.close();
    await waitFor(
      async () => workersIn(await scraped(address)).join() === both.join(),
      'both workers to be seen',
    );

    assert.deepEqual(await checkMetrics(address), {
      ...{ what: 'metrics', level: 'ok' },
      finding: `http://${address}/metrics tells of ${both.join(', ')}`,
    });
    const prometheus = await Prometheus.start(t, address);
    const size = installation.query<{ size: number }>('select size from archives where set_id = ?', setId)[0]
      ?.size;
    const written = await prometheus.one('tapeflow_drive_written_bytes_total{drive="lto1"}');
    assert.ok(Number(written.value[1]) >= (size ?? Infinity), 'the archive, and its manifest');
    assert.equal(written.metric['worker'], 'tape-worker-lto1');
    const compressed = await prometheus.one('tapeflow_compressed_bytes_total');
    assert.equal(Number(compressed.value[1]), size);
    assert.equal((await prometheus.one('tapeflow_sets{state="completed"}')).value[1], '1');
    assert.ok(
      Number((await prometheus.one('tapeflow_drive_busy_seconds_total{step="writeToTape"}')).value[1]) > 0,
    );
    assert.equal(
      (await prometheus.one('sum(tapeflow_step_attempts_total{step="writeToTape"})')).value[1],
      '1',
    );
    const tree = await prometheus.one('tapeflow_tree_last_success_timestamp_seconds');
    assert.deepEqual([tree.metric['sources'], tree.metric['scheduled']], [source, 'false']);
    assert.deepEqual(await prometheus.query('ALERTS{alertname!="TapeflowPoolFull"}'), []);

    const text = (await scraped(address)) ?? '';
    const declared = declaredIn(text);
    assert.deepEqual(
      namesIn(`${boardQueries()}\n${alertRules()}`).filter((name) => !declared.includes(name)),
      [],
      'what the board and the rules ask for',
    );
    for (const name of declared.filter((one) => one.startsWith('tapeflow_')))
      for (const sample of samplesOf(text).keys())
        assert.ok(!sample.startsWith(name) || !sample.includes(setId), `${sample} grows with the sets`);

    for (const role of ['archive', 'lto1']) {
      const pid = await installation.worker(role);
      assert.ok(pid !== undefined);
      const before = samplesOf((await scraped(address)) ?? '');
      const started = `process_start_time_seconds{worker="${role === 'archive' ? both[0] : both[1]}"}`;
      process.kill(pid, 'SIGKILL');
      await waitFor(async () => {
        const now = await scraped(address);
        if (workersIn(now).join() !== both.join()) return false;
        return samplesOf(now ?? '').get(started) !== before.get(started);
      }, `the next ${role} worker to be seen`);
    }
    up.child.kill('SIGINT');
    await up.ended;
    assert.equal(await scraped(address), undefined, 'nothing is left');
    assert.equal((await checkMetrics(address)).level, 'note');
  },
);

test('an endpoint answers to /metrics alone', async (t) => {
  const address = await listening(
    t,
    textServer(() => Promise.resolve('x 1\n')),
  );
  assert.equal(await scraped(address), 'x 1\n');
  assert.equal((await fetch(`http://${address}/`)).status, 404);
  assert.equal((await fetch(`http://${address}/metrics`, { method: 'POST' })).status, 404);
});
