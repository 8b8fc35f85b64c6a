import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cutToBytes, searchList, searchText, sentBytes, summaryText } from '../../workflows/server-limits.js';
import { firstAttributes } from '../../workflows/messages.js';

const bytes = (text: string) => Buffer.byteLength(text);
/** As the client sends a value. */
const payload = (value: unknown) => bytes(JSON.stringify(value));

test('a text is cut by the bytes that are sent, never inside of a character', () => {
  assert.equal(cutToBytes('short', 5), 'short');
  for (const text of ['磁带'.repeat(200), '💾'.repeat(200), 'é'.repeat(300), 'a"\\\u0001\n'.repeat(100)]) {
    for (let most = 10; most < 60; most += 1) {
      const cut = cutToBytes(text, most);
      assert.ok(payload(cut) - 2 <= most, `${payload(cut)} bytes for ${most}`);
      assert.ok(cut.endsWith('…') && text.startsWith(cut.slice(0, -1)));
      assert.equal(Buffer.from(cut).toString(), cut, 'no half of a character');
    }
  }
  assert.equal(sentBytes('磁带 💾 "\\\u0001\ud800'), payload('磁带 💾 "\\\u0001\ud800') - 2);
  assert.ok(payload(summaryText('备份'.repeat(1000))) <= 400);
  assert.match(searchText(`/${'长'.repeat(300)}/end`), /^….*\/end$/);
});

test('sources become a search attribute that the server takes, however many and long they are', () => {
  const many = Array.from({ length: 3000 }, (_, index) => `/srv/数据/客户档案/${index}/${'长'.repeat(80)}`);
  for (const sources of [many, many.slice(0, 15), ['/a', '/b'], ['\u0001'.repeat(4000)]]) {
    const list = searchList(sources);
    assert.ok(list.length > 0 && payload(list) <= 2048, `${payload(list)} bytes`);
    for (const { value } of firstAttributes({
      setId: '2026-11_000001',
      sources,
      pool: 'p',
      drive: 'd',
      installation: 'i',
    }))
      assert.ok(payload(value) <= 2048);
  }
  assert.deepEqual(searchList(['/a', '/b']), ['/a', '/b']);
});
