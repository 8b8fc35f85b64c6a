import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { projectDir } from '../../config/project-dir.js';
import { nextCronTime } from '../../config/cron-times.js';
import { loadSettings } from '../../config/settings/load-settings.js';
import { MovedBytes } from '../../activities/moved-bytes.js';
import { CatalogReader } from '../../workers/metrics/catalog-figures.js';
import { catalogExposition } from '../../workers/metrics/catalog-metrics.js';
import { joinExpositions } from '../../workers/metrics/join-expositions.js';
import { StepMetrics } from '../../workers/metrics/step-metrics.js';
import { openNewCatalog } from '../support/catalogs.js';
import { alertRules, boardQueries, declaredIn, namesIn } from '../support/metric-names.js';
import { noPrometheus, promtool, samplesOf } from '../support/prometheus.js';
import { tempFolder } from '../support/trees.js';

test('METRICS_ADDRESS is a port of 127.0.0.1, or an address and a port; anything else is one sentence', (t) => {
  const dir = tempFolder(t);
  const of = (value: string) => loadSettings({ METRICS_ADDRESS: value }, dir).METRICS_ADDRESS;
  assert.equal(loadSettings({}, dir).METRICS_ADDRESS, undefined);
  assert.equal(of('9464'), '127.0.0.1:9464');
  assert.equal(of('0.0.0.0:9464'), '0.0.0.0:9464');
  assert.equal(of('[::1]:9464'), '[::1]:9464');
  for (const wrong of ['0', '70000', 'localhost', ':9464', '::1:9464', 'http://a:1'])
    assert.throws(() => of(wrong), /METRICS_ADDRESS.*must be a port such as 9464, or an address and a port/);
});

test('the next time of a cron expression is the first after a time, in its zone', () => {
  const at = (text: string) => Date.parse(text);
  const next = (cron: string, after: string) => nextCronTime(cron, 'Europe/Berlin', at(after));
  assert.equal(next('30 2 * * *', '2026-11-29T01:29:59Z'), at('2026-11-29T01:30:00Z'));
  assert.equal(next('30 2 * * *', '2026-11-29T01:30:00Z'), at('2026-11-30T01:30:00Z'));
  assert.equal(next('0 0 29 2 *', '2026-11-29T00:00:00Z'), at('2028-02-28T23:00:00Z'));
  assert.equal(next('0 0 30 2 *', '2026-11-29T00:00:00Z'), undefined);
});

/** Everything that we publish, of an empty catalog and of both kinds of worker. */
async function everything(t: Parameters<typeof openNewCatalog>[0]): Promise<string> {
  const figures = await new CatalogReader(await openNewCatalog(t), 1).read();
  const archive = new StepMetrics('archive-worker');
  const tape = new StepMetrics('tape-worker-lto1', { name: 'lto1', queue: 'q' });
  t.after(() => {
    archive.end();
    tape.end();
  });
  const texts = [archive, tape].map(({ registry }) => registry.metrics());
  return joinExpositions([await catalogExposition(figures), ...(await Promise.all(texts))]);
}

test(
  'what several processes publish is one text, in which each metric stands once',
  { skip: noPrometheus },
  async (t) => {
    const text = await everything(t);
    const names = declaredIn(text);
    assert.equal(new Set(names).size, names.length);
    for (const worker of ['archive-worker', 'tape-worker-lto1'])
      assert.ok(samplesOf(text).has(`process_start_time_seconds{worker="${worker}"}`), text);
    assert.deepEqual(promtool(['check', 'metrics'], text), { status: 0, output: '' });
  },
);

test('docs/operations.md has a line for each of our metrics, and for no other', async (t) => {
  const page = readFileSync(path.join(projectDir, 'docs', 'operations.md'), 'utf8');
  const [, section = ''] = /^## Metrics and alerts\n([^]*?)^## /m.exec(page) ?? [];
  const told = [...section.matchAll(/^\| `(tapeflow_\w+)/gm)].map(([, name = '']) => name);
  const ours = declaredIn(await everything(t)).filter((name) => name.startsWith('tapeflow_'));
  assert.deepEqual(told.sort(), ours.sort());
  const alerts = [...section.matchAll(/^\| `(Tapeflow\w+)`/gm)].map(([, name = '']) => name);
  const rules = [...alertRules().matchAll(/alert: (\w+)/g)].map(([, name = '']) => name);
  assert.deepEqual(alerts.sort(), rules.sort());
});

test('each of our metrics that the board and the rules ask for exists', async (t) => {
  const ours = declaredIn(await everything(t));
  const asked = namesIn(`${boardQueries()}\n${alertRules()}`).filter((name) => !name.startsWith('temporal_'));
  assert.ok(asked.length > 20, String(asked));
  assert.deepEqual(
    asked.filter((name) => !ours.includes(name)),
    [],
  );
});

test('the alert rules are well formed, and say what their tests expect', { skip: noPrometheus }, () => {
  for (const args of [
    ['check', 'rules', 'tapeflow.rules.yml'],
    ['test', 'rules', 'tapeflow.rules.test.yml'],
  ]) {
    const { status, output } = promtool(args);
    assert.equal(status, 0, output);
  }
});

test('bytes count while they are moved, file after file, for whoever listens', async (t) => {
  const drive = new StepMetrics('tape-worker-lto1', { name: 'lto1', queue: 'q' });
  t.after(() => drive.end());
  const moved = new MovedBytes();
  for (const bytesOut of [0, 10, 10, 35, 0, 5]) moved.tell({ step: 'writing', bytesOut });
  new MovedBytes().tell({ step: 'reading', bytesOut: 7 });
  new MovedBytes().tell({ step: 'waiting', why: 'no tape' });
  const seen = samplesOf(await drive.registry.metrics());
  const labels = '{drive="lto1",worker="tape-worker-lto1"}';
  assert.equal(seen.get(`tapeflow_drive_written_bytes_total${labels}`), 40);
  assert.equal(seen.get(`tapeflow_drive_read_bytes_total${labels}`), 7);
});
