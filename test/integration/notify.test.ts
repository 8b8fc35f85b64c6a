import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import type { Message } from '../../operations/notify/message.js';
import { Installation } from '../support/installation.js';
import { startMailServer, startReceiver } from '../support/receiver.js';
import { tempFolder, writeTree } from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';

test('the commands and workers of an installation tell how a backup ends, and what it waits for', async (t) => {
  const receiver = await startReceiver(t);
  const mailServer = await startMailServer(t, 'secret');
  const folder = tempFolder(t);
  const told = path.join(folder, 'told');
  const config = path.join(folder, 'config.json');
  const notify = [
    { name: 'hook', kind: 'webhook', url: { env: 'TAPEFLOW_TEST_HOOK' } },
    {
      ...{ name: 'mail', kind: 'email', host: '127.0.0.1', port: mailServer.port, tls: 'none' },
      ...{ user: 'u', password: 'secret', from: 'a@example', to: 'b@example', events: ['waiting', 'failed'] },
    },
    {
      name: 'own',
      kind: 'command',
      command: ['/bin/sh', '-c', `cat >> '${told}'`],
      events: ['completed', 'failed'],
    },
    { name: 'away', kind: 'slack', url: 'http://127.0.0.1:9', events: ['tape_full'] },
  ];
  writeFileSync(config, JSON.stringify({ notify, NOTIFY_SECONDS: 1 }));
  const tape = path.join(folder, 'tape');
  const installation = await Installation.make(t, {
    ...{ TAPEFLOW_CONFIG: config, TAPEFLOW_TEST_HOOK: receiver.url, TAPE_PATH: tape },
  });

  const tested = await installation.run(['notify', 'test']);
  assert.equal(tested.code, 1, tested.stderr);
  assert.match(tested.stdout, /^ok +hook \(webhook\)/m);
  assert.match(tested.stdout, /^ok +mail \(email\)/m);
  assert.match(tested.stdout, /^FAILED +away \(slack\): /m);
  const one = await installation.run(['notify', 'test', 'hook']);
  assert.equal(one.code, 0, one.stdout);
  const strange = await installation.run(['notify', 'test', 'fax']);
  assert.equal(strange.code, 2);
  assert.match(strange.stderr, /no channel fax; the channels are: hook, mail, own, away/);
  const events = () => receiver.taken.map(({ body }) => (JSON.parse(body) as Message).event);
  assert.deepEqual(events(), ['test', 'test']);
  rmSync(told);

  // No tape is in the drive: both are told; then it is there, and the end is told while everything stops.
  const source = path.join(folder, 'source');
  writeTree(source, { a: 'text' });
  const backup = installation.start(['backup', source]);
  await waitFor(() => events().includes('waiting') && mailServer.mails.length === 2, 'the wait to be told');
  assert.match(mailServer.mails[1]?.text ?? '', /Subject: tapeflow: Set \S+ waits for you/);
  mkdirSync(tape);
  const labelled = await installation.run(['tape', 'label', 'A1', '--pool', 'default']);
  assert.equal(labelled.code, 0, labelled.stderr);
  const { code, stderr } = await backup.ended;
  assert.equal(code, 0, stderr);
  const ends = readFileSync(told, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Message);
  assert.deepEqual(
    ends.map(({ event }) => event),
    ['completed'],
  );
  assert.match(ends[0]?.items[0]?.what ?? '', /is complete\. 1 archive, .* on A1; 0 files skipped/);

  // The source is empty: the set fails, and everybody is told once.
  rmSync(path.join(source, 'a'));
  assert.equal((await installation.run(['backup', source])).code, 1);
  // A wait for a tape that is there, but not labelled yet, is another one, if a look has met it.
  assert.deepEqual([...new Set(events())], ['test', 'waiting', 'failed']);
  const news = receiver.taken.slice(2).map(({ body }) => (JSON.parse(body) as Message).items[0]?.what);
  assert.equal(new Set(news).size, news.length);
  assert.equal(mailServer.mails.length, 1 + news.length);
  const list = await installation.run(['notify', 'list']);
  assert.match(list.stdout, /hook +failed +sent .* Set \S+ has failed/);
  const doctor = await installation.run(['doctor']);
  assert.match(doctor.stdout, /^ok +channel hook: webhook/m);
});
