import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { listMessages } from '../../catalog/notices/outbox.js';
import { toldOf } from '../../catalog/notices/told.js';
import { openSet } from '../../catalog/sets/open-set.js';
import { recordSetState } from '../../catalog/sets/set-states.js';
import { projectDir } from '../../config/project-dir.js';
import type { ChannelSettings } from '../../config/settings/channels.js';
import { Translator, readMessages } from '../../messages/translator.js';
import { showWith } from '../../messages/shown.js';
import { quickFacts } from '../../operations/notify/find-facts.js';
import { fullText, type Message } from '../../operations/notify/message.js';
import { tellChannels } from '../../operations/notify/tell.js';
import { openNewCatalog } from '../support/catalogs.js';

const wanted = { sources: ['/srv'], excludes: [], pool: 'A', drive: 'lto1', mode: 'full', direct: false };
const channel: ChannelSettings = { name: 'own', kind: 'command', command: ['true'] };
const teller = { installation: 'test', host: 'here' };

test('a failed set and a waiting tape are told in Chinese; what the catalog compares stays English', async (t) => {
  const catalog = await openNewCatalog(t);
  const make = (id: string) => openSet(catalog, { ...wanted, id, options: '{}' }, { fresh: true });
  for (const id of ['2026-11_000001', '2026-11_000002']) await make(id);
  // A folder that is called like a state.
  const failure = '1 of 2 groups failed (1), first: the staged /srv/failed is not what was compressed';
  await recordSetState(catalog, '2026-11_000001', 'failed', failure);
  const wait = 'The tape A1 is full: a write found no space on it. Load another tape of pool A.';
  await recordSetState(catalog, '2026-11_000002', 'waiting_for_tape', wait);
  const now = Date.now();
  const look = { now, mayBeMissed: true, noSuccessDays: 0 };
  const keys = (await quickFacts(catalog, look)).map(({ key }) => key);

  showWith(new Translator('zh-CN', readMessages(path.join(projectDir, 'messages', 'zh-CN'))));
  t.after(() => showWith(undefined));
  const facts = await quickFacts(catalog, look);
  assert.deepEqual(
    facts.map(({ key }) => key),
    keys,
  );
  assert.equal(await tellChannels(catalog, teller, [channel], facts, now), 2);
  const messages = (await listMessages(catalog, 9)).map(({ message }) => JSON.parse(message) as Message);
  const textOf = (event: string) =>
    fullText(messages.find((message) => message.event === event) as Message, 10_000);
  const failed = textOf('failed');
  assert.match(failed, /^tapeflow: 备份集 2026-11_000001 失败\n\n备份集 2026-11_000001（\/srv）失败：/);
  assert.match(failed, /2 个文件组中有 1 个失败（1），第一个：暂存的 \/srv\/failed 不是当时压缩的内容。/);
  assert.match(failed, /\n {4}tapeflow retry 2026-11_000001\n\ntapeflow test，主机 here$/);
  const waiting = textOf('waiting');
  assert.match(waiting, /^tapeflow: 备份集 2026-11_000002 等待人工处理\n\n/);
  assert.match(
    waiting,
    /备份集 2026-11_000002（\/srv）正在等待：磁带 A1 已满：写入时没有空间。请装入磁带池 A 的另一盘磁带。\n/,
  );

  // Who is told in another language is not told again.
  showWith(undefined);
  assert.equal((await toldOf(catalog, 'own', keys)).size, 2);
  const again = await quickFacts(catalog, look);
  assert.equal(await tellChannels(catalog, teller, [channel], again, now + 1000), 0);
});
