import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  claimMessage,
  claimMs,
  listMessages,
  queueMessages,
  recordSent,
  recordUnsent,
  tidyOutbox,
} from '../../catalog/notices/outbox.js';
import type { OutboxRow } from '../../catalog/rows.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import type { ChannelSettings } from '../../config/settings/channels.js';
import { maxItems, type Fact, type Message } from '../../operations/notify/message.js';
import { tellChannels } from '../../operations/notify/tell.js';
import { openNewCatalog } from '../support/catalogs.js';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const start = Date.parse('2026-11-28T02:00:00Z');
const teller = { installation: 'test', host: 'here' };
const channel: ChannelSettings = { name: 'own', kind: 'command', command: ['true'] };

function factOf(event: Fact['event'], name: string, mark?: string): Fact {
  const texts = { subject: name, what: `${name} is so.`, todo: 'Do it.', command: 'tapeflow status' };
  return { event, key: `${event} ${name}`, ...(mark === undefined ? {} : { mark }), ...texts };
}

/** The messages that a look queues. */
async function told(catalog: Catalog, at: number, ...facts: Fact[]): Promise<Message[]> {
  const before = new Set((await listMessages(catalog, 1000)).map(({ id }) => id));
  await tellChannels(catalog, teller, [channel], facts, at);
  const rows = await listMessages(catalog, 1000);
  return rows.filter(({ id }) => !before.has(id)).map(({ message }) => JSON.parse(message) as Message);
}

test('a condition that flaps is one message, and one reminder a day', async (t) => {
  const catalog = await openNewCatalog(t);
  const wait = factOf('waiting', 'Set 1');
  const titles: string[] = [];
  // It is there in every other minute of two days.
  for (let at = start; at < start + 2 * dayMs; at += 30 * 60_000) {
    const isThere = (at - start) % hourMs === 0;
    titles.push(...(await told(catalog, at, ...(isThere ? [wait] : []))).map(({ title }) => title));
  }
  assert.deepEqual(titles, ['Set 1 waits for you', 'Still: Set 1 waits for you']);
});

test('what has ended is told once, what only stands weekly, and what grows once a day', async (t) => {
  const catalog = await openNewCatalog(t);
  const count = async (day: number, ...facts: Fact[]) =>
    (await told(catalog, start + day * dayMs, ...facts)).length;
  assert.equal(await count(0, factOf('failed', 'Set 1'), factOf('damage', 'tape A', '1')), 2);
  assert.equal(await count(0.5, factOf('failed', 'Set 1'), factOf('damage', 'tape A', '2')), 0);
  assert.equal(await count(1, factOf('failed', 'Set 1'), factOf('damage', 'tape A', '2')), 1);
  assert.equal(await count(7.9, factOf('damage', 'tape A', '2')), 0);
  assert.equal(await count(8, factOf('failed', 'Set 1'), factOf('damage', 'tape A', '2')), 1);
});

test('many things of one kind at once are one message, which says how many more there are', async (t) => {
  const catalog = await openNewCatalog(t);
  const facts = Array.from({ length: 300 }, (_, no) => factOf('single_copy', `Set ${no}`));
  const [message, ...others] = await told(catalog, start, ...facts, factOf('failed', 'Set 7'));
  const many = [message, ...others].find((one) => one?.event === 'single_copy');
  assert.equal(others.length, 1);
  assert.equal(many?.title, '300 sets exist once only');
  assert.equal(many?.items.length, maxItems);
  assert.equal(many?.more, 300 - maxItems);
});

test('a channel is told of what it wants: unless it says otherwise, of what needs a person', async (t) => {
  const catalog = await openNewCatalog(t);
  const channels: ChannelSettings[] = [
    { ...channel, name: 'usual' },
    { ...channel, name: 'ends', events: ['completed'] },
    { name: 'switch', kind: 'ping', url: 'http://127.0.0.1' },
  ];
  const facts = (['completed', 'failed', 'waiting'] as const).map((event) => factOf(event, 'Set 1'));
  await tellChannels(catalog, teller, channels, facts, start);
  const rows = await listMessages(catalog, 100);
  assert.deepEqual(rows.map((row) => `${row.channel} ${row.event}`).sort(), [
    'ends completed',
    'switch completed',
    'switch failed',
    'usual failed',
    'usual waiting',
  ]);
});

test('a message is claimed by one worker, tried again later and later, and given up after a day', async (t) => {
  const catalog = await openNewCatalog(t);
  const queue = (id: string) =>
    queueMessages(catalog, [{ id, channel: 'own', event: 'test', message: '{}' }], start);
  await queue('a');
  const first = await claimMessage(catalog, 'own', start);
  assert.equal(await claimMessage(catalog, 'own', start), undefined, 'another worker has it');
  assert.equal(await claimMessage(catalog, 'other', start), undefined);
  // Its worker has died: another one takes it, and what the first one says later does not count.
  const second = await claimMessage(catalog, 'own', start + claimMs);
  assert.equal(second?.attempts, 2);
  assert.ok(first !== undefined);
  await recordSent(catalog, first, start + claimMs);
  assert.equal((await listMessages(catalog, 1))[0]?.state, 'waiting');

  const pauses: number[] = [];
  let at = start + claimMs;
  for (
    let row: OutboxRow | undefined = second;
    row !== undefined;
    row = await claimMessage(catalog, 'own', at)
  ) {
    const next = await recordUnsent(catalog, row, 'it is away', at);
    if (next === undefined) break;
    assert.equal(await claimMessage(catalog, 'own', next - 1), undefined);
    pauses.push(next - at);
    at = next;
  }
  assert.ok(pauses.every((pause, no) => pause >= (pauses[no - 1] ?? 0) && pause <= hourMs));
  assert.ok(at > start + dayMs - hourMs && at < start + dayMs);
  const [given] = await listMessages(catalog, 1);
  assert.deepEqual([given?.state, given?.error], ['given_up', 'it is away']);

  await queue('b');
  await tidyOutbox(catalog, start + 2 * dayMs);
  const states = async () =>
    (await listMessages(catalog, 9)).map(({ id, state, error }) => `${id} ${state} ${error}`);
  assert.deepEqual(await states(), ['a given_up it is away', 'b given_up no worker has this channel']);
  await tidyOutbox(catalog, start + 40 * dayMs);
  assert.deepEqual(await states(), []);
});
