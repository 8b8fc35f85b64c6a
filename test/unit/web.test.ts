import assert from 'node:assert/strict';
import { chmodSync, statSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { bytesByNight, lastWritten } from '../../catalog/figures/written.js';
import { recordEvents } from '../../catalog/groups/events.js';
import { insertTape } from '../../catalog/tapes/tapes.js';
import { recordSetState } from '../../catalog/sets/set-states.js';
import { openSet } from '../../catalog/sets/open-set.js';
import { loadSettings } from '../../config/settings/load-settings.js';
import {
  newPage,
  pageAddressOf,
  pageFile,
  readPageFile,
  writePageFile,
} from '../../client/page/page-file.js';
import { secretsOf } from '../../web/access/secrets.js';
import { decodeName, encodeName, nameIn } from '../../web/names.js';
import { CommandLine, Sentence } from '../../web/pages/sentence.js';
import { loadText, wantedOfPeople } from '../../web/pages/wanted.js';
import { openNewCatalog } from '../support/catalogs.js';
import { tapeRow } from '../support/tape-rows.js';
import { tempFolder } from '../support/trees.js';

test('the token of the page stays the same, and is refused where others may read it', (t) => {
  const folder = tempFolder(t);
  assert.equal(readPageFile(folder), undefined);
  const page = { ...newPage(), port: 45_255 };
  writePageFile(folder, page);
  assert.deepEqual(readPageFile(folder), page);
  assert.equal(statSync(pageFile(folder)).mode & 0o777, 0o600);
  assert.notEqual(newPage().token, page.token);
  chmodSync(pageFile(folder), 0o644);
  assert.throws(() => readPageFile(folder), /may be read by others \(mode 644\)/);
  chmodSync(pageFile(folder), 0o600);
  writeFileSync(pageFile(folder), '{"token":"","port":1}');
  assert.throws(() => readPageFile(folder), { code: 'PageFileUnusable', message: /is damaged/ });
});

test('what a browser gets of the token does not tell it, nor one part another', () => {
  const { token } = newPage();
  const { cookie, form, base } = secretsOf(token);
  const parts = [token, cookie, form, base.replaceAll('/', '')];
  for (const part of parts)
    assert.equal(parts.filter((other) => other.includes(part)).length, 1, 'none is in another');
  assert.match(base, /^\/[0-9a-f]{16}\/$/);
  assert.deepEqual(secretsOf(token), secretsOf(token), 'they outlive a restart');
});

test('the page is served on this machine alone, unless more is asked for', (t) => {
  const folder = tempFolder(t);
  const addressFor = (env: Record<string, string>) =>
    pageAddressOf(loadSettings(env, folder), { token: '', port: 45_255 });
  assert.equal(addressFor({}), '127.0.0.1:45255');
  assert.equal(addressFor({ WEB_ADDRESS: '9470' }), '127.0.0.1:9470');
  assert.equal(addressFor({ WEB_ADDRESS: '[::1]:9470' }), '[::1]:9470');
  assert.equal(loadSettings({ WEB_ADDRESS: 'off' }, folder).WEB_ADDRESS, 'off');
  for (const address of ['0.0.0.0:9470', '192.0.2.7:9470', 'tapes.example:9470', '[::]:9470'])
    assert.throws(
      () => loadSettings({ WEB_ADDRESS: address }, folder),
      /other machines reach: the page has no TLS/,
    );
  const allowed = { WEB_ADDRESS: '192.0.2.7:9470', WEB_ALLOW_NETWORK: 'true' };
  assert.equal(addressFor(allowed), '192.0.2.7:9470');
  assert.throws(() => loadSettings({ WEB_ADDRESS: 'here' }, folder), /WEB_ADDRESS .*, or off/);
  assert.throws(() => loadSettings({ TEMPORAL_UI_URL: 'javascript:alert(1)' }, folder), /must be a URL/);
});

test('a name keeps every byte on its way through an address', () => {
  let every = '';
  for (let byte = 1; byte < 256; byte += 1) every += String.fromCharCode(byte);
  for (const name of [every, 'plain', 'a/b/', '../x', '100%', 'a+b c', '%41']) {
    const encoded = encodeName(name);
    assert.match(encoded, /^[\w~/%-]*$/);
    assert.equal(decodeName(encoded), name);
    assert.equal(nameIn(`http://127.0.0.1/files?skip=2&at=${encoded}#x`, 'at'), name);
  }
  assert.equal(nameIn('http://127.0.0.1/files?what=1', 'at'), undefined);
});

test('what is wanted of a person is said in a few words: which tape, of which pool, where', async (t) => {
  assert.equal(
    loadText({ tape: 'LTO007', pool: 'monthly', drive: 'lto1' }),
    'Load tape LTO007, pool monthly, into lto1',
  );
  assert.equal(loadText({ tape: '', pool: 'monthly', drive: '' }), 'Load a tape of pool monthly');
  assert.equal(loadText({ tape: 'LTO007', pool: '', drive: '' }), 'Load tape LTO007');
  const catalog = await openNewCatalog(t);
  const wanted = {
    sources: ['/srv'],
    excludes: [],
    pool: 'monthly',
    drive: 'lto1',
    mode: 'full',
    direct: false,
  };
  for (const id of ['2026-11_000001', '2026-11_000002', '2026-11_000003'])
    await openSet(catalog, { ...wanted, id, options: '{}' }, { fresh: true });
  await insertTape(catalog, {
    ...tapeRow('uuid', 'A1', 'monthly'),
    state: 'suspect',
    reason: 'a write failed',
  });
  await recordSetState(catalog, '2026-11_000001', 'waiting_for_tape', 'Drive lto1 is empty.');
  await recordSetState(catalog, '2026-11_000002', 'paused', null);
  const held = 'A drive is used by one at a time: this goes on by itself when that one ends.';
  await recordSetState(catalog, '2026-11_000003', 'waiting_for_tape', `pid 1 has the drive. ${held}`);
  assert.deepEqual(
    (await wantedOfPeople(catalog, Date.now())).map(({ headline }) => headline),
    [
      'Load a tape of pool monthly into lto1',
      'Resume set 2026-11_000002, or cancel it',
      'Tape A1 of pool monthly is not trusted any more: a write failed.',
    ],
  );
});

test('a night lasts from noon to noon, and a night without a byte is shown as one', async (t) => {
  const catalog = await openNewCatalog(t);
  const wanted = {
    sources: ['/srv'],
    excludes: [],
    pool: 'monthly',
    drive: 'lto1',
    mode: 'full',
    direct: false,
  };
  const setId = '2026-11_000001';
  await openSet(catalog, { ...wanted, id: setId, options: '{}' }, { fresh: true });
  await insertTape(catalog, tapeRow('uuid', 'A1', 'monthly'));
  const at = (day: number, hour: number) => new Date(2026, 10, day, hour).getTime();
  const written = [at(10, 11), at(10, 13), at(11, 3), at(13, 1)];
  for (const [index, committed] of written.entries()) {
    const ref = { set_id: setId, group_no: index + 1 };
    const path = Buffer.of(index);
    await catalog
      .insertInto('groups')
      .values({
        ...{ set_id: setId, no: index + 1, state: 'released', bytes: 1, entries: 1, direct: 0, reserved: 0 },
        ...{ first_path: path, last_path: path },
      })
      .execute();
    await catalog
      .insertInto('archives')
      .values({
        ...{
          ...ref,
          name: `a${index}`,
          size: 10 ** (index + 7),
          sha256: '',
          token: 't',
          bytes_in: 1,
          members: 1,
        },
        ...{ manifest_name: 'm', manifest_size: 1, manifest_sha256: '', created_at: 1 },
        ...{ block_bytes: null, blocks: null },
      })
      .execute();
    await catalog
      .insertInto('copies')
      .values({
        ...{ ...ref, copy_no: 1, tape_uuid: 'uuid', state: 'committed', token: 't', written_at: committed },
        ...{ committed_at: committed, verified_at: null, damage: null },
      })
      .execute();
    const event = {
      setId,
      group: index + 1,
      stage: 'written',
      ms: 1000,
      bytes: 10 ** (index + 7),
      at: committed,
    };
    await recordEvents(catalog, [event]);
  }
  assert.deepEqual(await bytesByNight(catalog, at(10, 12), at(13, 2)), [
    { at: at(10, 12), bytes: 10 ** 8 + 10 ** 9 },
    { at: at(11, 12), bytes: 0 },
    { at: at(12, 12), bytes: 10 ** 10 },
  ]);
  assert.deepEqual(await lastWritten(catalog, 10 ** 8, 2), [
    { at: written[2], drive: 'lto1', bytesPerSecond: 10 ** 9 },
    { at: written[3], drive: 'lto1', bytesPerSecond: 10 ** 10 },
  ]);
});

test('what stands between backticks in a sentence is a command, and a name with one changes nothing', () => {
  const htmlOf = (text: string) => (Sentence({ text }) as { toString(): string }).toString();
  assert.equal(htmlOf('Run `tapeflow up`, then wait.'), 'Run <code>tapeflow up</code>, then wait.');
  assert.equal(htmlOf('The file /a`b is <b>gone</b>'), 'The file /a`b is &lt;b&gt;gone&lt;/b&gt;');
  assert.equal(htmlOf('See `<script>`'), 'See <code>&lt;script&gt;</code>');
});

test('a line does not end within an option of a command, and the command stays as it is', () => {
  const htmlOf = (text: string) => (CommandLine({ text }) as { toString(): string }).toString();
  const html = htmlOf('tapeflow tape label A--b --pool POOL -- backup /x/--y --one-file-system');
  const whole = [...html.matchAll(/<span class="whole">(.*?)<\/span>/g)].map(([, option]) => option);
  assert.deepEqual(whole, ['--pool', '--one-file-system']);
  assert.equal(
    html.replace(/<\/?span.*?>/g, ''),
    '<code>tapeflow tape label A--b --pool POOL -- backup /x/--y --one-file-system</code>',
  );
});
