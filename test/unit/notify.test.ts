import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { pino } from 'pino';
import { listMessages } from '../../catalog/notices/outbox.js';
import { openCatalog, type Catalog } from '../../catalog/open-catalog.js';
import { insertSchedule } from '../../catalog/server/schedules.js';
import { openSet } from '../../catalog/sets/open-set.js';
import { recordSetState } from '../../catalog/sets/set-states.js';
import { loadSettings } from '../../config/settings/load-settings.js';
import type { Settings } from '../../config/settings/settings.js';
import type { Message } from '../../operations/notify/message.js';
import { snapshotOptions } from '../../operations/sets/set-options.js';
import { Notifier } from '../../workers/starts/notifier.js';
import { newCatalog } from '../support/catalogs.js';
import { startMailServer, startReceiver, type Received } from '../support/receiver.js';
import { tempFolder } from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';

const teller = { installation: 'test', host: 'here' };
const logger = pino({ level: 'silent' });

/** Settings whose channels are these, and a catalog. */
async function installationWith(
  t: TestContext,
  notify: object[],
): Promise<{ settings: Settings; catalogs: Catalog[] }> {
  const folder = tempFolder(t);
  writeFileSync(path.join(folder, 'tapeflow.config.json'), JSON.stringify({ notify, NOTIFY_SECONDS: 0.2 }));
  const settings = loadSettings({}, folder);
  const url = await newCatalog(t);
  // Each worker has a connection of its own.
  const catalogs = [await openCatalog(url), await openCatalog(url)];
  for (const catalog of catalogs) t.after(() => catalog.destroy());
  return { settings, catalogs };
}

async function makeSet(catalog: Catalog, settings: Settings, id: string): Promise<string> {
  const wanted = {
    ...{ id, sources: ['/srv'], excludes: [], pool: 'A', drive: 'lto1', mode: 'full', direct: false },
    options: snapshotOptions(settings),
  };
  return (await openSet(catalog, wanted, { fresh: true })).set.id;
}

const messageIn = ({ body }: Pick<Received, 'body'>) => JSON.parse(body) as Message;

test('a night that fails, a missing tape and a schedule that did not run each reach three channels once', async (t) => {
  const receiver = await startReceiver(t);
  // It refuses for a while, as during its restart.
  let refusals = 2;
  receiver.answer = () => (refusals-- > 0 ? [503, 'starting'] : [200, 'ok']);
  const mailServer = await startMailServer(t, 'pass word');
  const folder = tempFolder(t);
  const [file, password] = ['told', 'password'].map((name) => path.join(folder, name)) as [string, string];
  writeFileSync(password, 'pass word\n');
  const { settings, catalogs } = await installationWith(t, [
    { name: 'hook', kind: 'webhook', url: receiver.url, secret: 'key' },
    {
      ...{ name: 'mail', kind: 'email', host: '127.0.0.1', port: mailServer.port, tls: 'none' },
      ...{ user: 'backup', password: { file: password }, from: 'a@example', to: ['b@example', 'c@example'] },
    },
    { name: 'own', kind: 'command', command: ['/bin/sh', '-c', `cat >> '${file}'`] },
  ]);
  const [catalog] = catalogs as [Catalog, Catalog];
  const failed = await makeSet(catalog, settings, '2026-11_000001');
  await recordSetState(catalog, failed, 'failed', 'the source /srv is empty');
  const waiting = await makeSet(catalog, settings, '2026-11_000002');
  await recordSetState(catalog, waiting, 'waiting_for_tape', 'Drive lto1 is empty. Load a tape of pool A.');
  const done = await makeSet(catalog, settings, '2026-11_000003');
  await recordSetState(catalog, done, 'completed', null);
  const work = { sources: ['/srv'], excludes: [], pool: 'A', drive: 'lto1', mode: 'full', direct: false };
  const due = new Date(Date.now() - 300_000);
  const cron = `${due.getUTCMinutes()} ${due.getUTCHours()} * * *`;
  const schedule = { name: 'nightly', cron, zone: 'UTC', command: 'backup /srv' };
  await insertSchedule(catalog, { ...schedule, arguments: JSON.stringify(work) }, { replace: false });
  const before = due.getTime() - 300_000;
  await catalog.updateTable('schedules').set({ created_at: before }).execute();

  // Two workers at once: neither has come to its server, which is why nothing ran.
  const notifiers = catalogs.map((one) => new Notifier({ settings, catalog: one, logger }, teller).start());
  const told = () => readFileSync(file, { encoding: 'utf8', flag: 'a+' }).trim().split('\n').filter(Boolean);
  await waitFor(
    () => told().length >= 2 && mailServer.mails.length >= 2,
    'the failure and the wait to be told',
  );
  await Promise.all(notifiers.map((notifier) => notifier.stop()));
  // The hook is tried again later: by the next worker, at once, since the time has come.
  await catalog.updateTable('outbox').set({ next_at: 0 }).where('state', '=', 'waiting').execute();
  const next = new Notifier({ settings, catalog, logger }, teller).start();
  await waitFor(() => receiver.taken.length >= 3, 'the hook to be told');
  await next.stop();

  const events = ['failed', 'schedule_missed', 'waiting'];
  assert.deepEqual(
    told()
      .map((line) => (JSON.parse(line) as Message).event)
      .sort(),
    events,
  );
  assert.deepEqual(receiver.taken.map((one) => messageIn(one).event).sort(), events);
  assert.deepEqual(
    mailServer.mails.map(({ to }) => to.join()),
    Array(3).fill('b@example,c@example'),
  );
  const rows = await listMessages(catalog, 100);
  assert.equal(rows.length, 9);
  assert.deepEqual([...new Set(rows.map(({ state }) => state))], ['sent']);

  const byEvent = new Map(receiver.taken.map((one) => [messageIn(one).event, one]));
  const [item] = messageIn(byEvent.get('waiting') as Received).items;
  assert.match(item?.what ?? '', /000002 of \/srv waits: Drive lto1 is empty\. Load a tape of pool A\./);
  assert.equal(item?.command, `tapeflow status ${waiting}`);
  const failure = messageIn(byEvent.get('failed') as Received).items[0];
  assert.match(failure?.what ?? '', /000001 of \/srv has failed: the source \/srv is empty/);
  assert.equal(failure?.command, `tapeflow retry ${failed}`);
  assert.equal(
    messageIn(byEvent.get('schedule_missed') as Received).items[0]?.command,
    'tapeflow schedule run nightly',
  );
  for (const { headers, body } of receiver.taken) {
    const time = String(headers['x-tapeflow-timestamp']);
    const proof = createHmac('sha256', 'key').update(`${time}.${body}`).digest('hex');
    assert.equal(headers['x-tapeflow-signature'], `sha256=${proof}`);
    assert.ok(Math.abs(Date.now() / 1000 - Number(time)) < 300);
  }
});
