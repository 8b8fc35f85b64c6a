import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { settingRows } from '../../client/print/setting-rows.js';
import { TapeflowFailure } from '../../config/failures.js';
import { setOptions, snapshotOptions } from '../../operations/sets/set-options.js';
import type { SetRow } from '../../catalog/rows.js';
import { formatDuration, formatSeconds, parseDuration } from '../../config/durations.js';
import { retentionOf } from '../../config/settings/retention.js';
import { loadSettings } from '../../config/settings/load-settings.js';
import { formatBytes, parseSize } from '../../config/sizes.js';
import { tempFolder } from '../support/trees.js';

test('what is not set has its default', (t) => {
  const dir = tempFolder(t);
  const settings = loadSettings({}, dir);
  assert.equal(settings.BACKUP_COMPRESS_DIR, path.join(dir, 'temp/compress'));
  assert.equal(settings.COMPRESS_DIRECTLY_TO_TAPE, false);
  assert.equal(settings.MAX_GROUP_SIZE, 12 * 2 ** 30);
  assert.equal(settings.COMPRESSION_LEVEL, 6);
  assert.equal(settings.PARALLEL_GROUPS, 2);
  assert.equal(settings.STAGING_MAX_BYTES, 36 * 2 ** 30);
  assert.equal(settings.TAPE_PATH, path.join(dir, '.tapeflow/tape'));
  assert.equal(settings.TAPE_KIND, 'directory');
  assert.equal(settings.CATALOG_URL, path.join(dir, '.tapeflow/catalog.db'));
  assert.equal(settings.FINAL_WAIT_SECONDS, 30);
  assert.equal(settings.HEARTBEAT_SECONDS, 30);
  assert.equal(settings.TAPE_RETRY_SECONDS, 15);
  assert.equal(settings.TAPE_SYNC_INTERVAL, 600);
  assert.deepEqual(settings.drives, [
    { name: 'lto1', path: settings.TAPE_PATH, kind: 'directory', ours: true },
  ]);
});

test('the environment wins over the file, the file over the default, and each says where it is from', (t) => {
  const dir = tempFolder(t);
  const file = path.join(dir, 'tapeflow.config.json');
  writeFileSync(
    file,
    JSON.stringify({
      MAX_GROUP_SIZE: '1GiB',
      COMPRESSION_LEVEL: 3,
      drives: { lto2: { path: '/mnt/lto2', kind: 'ltfs' } },
    }),
  );
  const settings = loadSettings({ COMPRESSION_LEVEL: '9', TAPE_PATH: 'tapes' }, dir);
  assert.equal(settings.MAX_GROUP_SIZE, 2 ** 30);
  assert.equal(settings.COMPRESSION_LEVEL, 9);
  assert.equal(settings.origins.MAX_GROUP_SIZE, file);
  assert.equal(settings.origins.COMPRESSION_LEVEL, 'environment');
  assert.equal(settings.origins.PARALLEL_GROUPS, 'default');
  assert.deepEqual(
    settings.drives.map((drive) => [drive.name, drive.path, drive.kind, drive.ours]),
    [
      ['lto1', path.join(dir, 'tapes'), 'directory', false],
      ['lto2', '/mnt/lto2', 'ltfs', false],
    ],
  );
});

test('a wrong setting is one sentence that names it and where it is from', (t) => {
  const dir = tempFolder(t);
  const wrong: [Record<string, string>, RegExp][] = [
    [
      { COMPRESSION_LEVEL: '12' },
      /COMPRESSION_LEVEL \(from environment\) is 12: with COMPRESSION=gzip it must be a whole number from 1 to 9/,
    ],
    [{ COMPRESSION: 'zstd', COMPRESSION_LEVEL: '0' }, /COMPRESSION_LEVEL .* from 1 to 19/],
    [{ COMPRESSION_LEVEL: '20' }, /COMPRESSION_LEVEL \(from environment\) is "20"/],
    [{ COMPRESSION: 'lzma' }, /COMPRESSION \(from environment\) is "lzma": it must be gzip, zstd or none/],
    [{ MAX_GROUP_SIZE: '-1' }, /MAX_GROUP_SIZE/],
    [{ TAPE_KIND: 'vhs' }, /TAPE_KIND/],
    [{ COMPRESS_DIRECTLY_TO_TAPE: 'maybe' }, /COMPRESS_DIRECTLY_TO_TAPE/],
    [
      { MAX_GROUP_SIZE: '2GiB', STAGING_MAX_BYTES: '1GiB' },
      /STAGING_MAX_BYTES .* must not be below one group/,
    ],
    [
      { MAX_GROUP_SIZE: '1GiB', TAPE_DRAIN_AT: '4GiB' },
      /TAPE_DRAIN_AT \(from environment\) is 4294967296 bytes: it must not be above STAGING_MAX_BYTES/,
    ],
    [{ TAPE_DRAIN_AT: 'full' }, /TAPE_DRAIN_AT .* must be a size/],
    [{ TAPEFLOW_DATA_DIRR: 'x' }, /unknown setting TAPEFLOW_DATA_DIRR/],
    [{ CATALOG_URL: 'mysql://x/y' }, /SQLite file, or a URL postgres:/],
    [{ CATALOG_URL: 'postgres://[x/y' }, /is no valid URL/],
    [{ CATALOG_URL: 'postgres:user:secret@host' }, /^[^]*CATALOG_URL \((?![^]*secret)[^]*is no valid URL/],
    [
      { POOL_RETENTION: '3m' },
      /POOL_RETENTION \(from environment\) is "3m": it must be a duration such as 36h/,
    ],
    [{ POOL_RETENTION: '0d' }, /POOL_RETENTION .* must be a duration/],
  ];
  for (const [env, message] of wrong) {
    assert.throws(
      () => loadSettings(env, dir),
      (error) => error instanceof TapeflowFailure && error.kind === 'usage' && message.test(error.message),
    );
  }
  for (const [content, message] of [
    ['{', /cannot be read as JSON/],
    ['[]', /must hold one JSON object/],
    ['{"MAX_GROUP_SIZ": 1}', /unknown setting "MAX_GROUP_SIZ"\. Did you mean MAX_GROUP_SIZE\?$/],
    ['{"drive": {}}', /unknown setting "drive"\. Did you mean drives\?$/],
    ['{"TAPEPATH": "/x"}', /unknown setting "TAPEPATH"\. Did you mean TAPE_PATH\?$/],
    ['{"NOTHING": 1}', /unknown setting "NOTHING"\. `tapeflow doctor` lists every setting\.$/],
    ['{"drives": {"a b": {"path": "/x"}}}', /drives\.a b .* has a name that is wrong: it must be letters/],
    // The wrong name is told, and not the right one that is missing for it.
    ['{"drives": {"lto1": {"pth": "/x"}}}', /unknown setting "drives\.lto1\.pth"\. Did you mean path\?$/],
    ['{"drives": {"lto1": {}}}', /drives\.lto1\.path .* is missing/],
    ['{"drives": {"lto1": {"path": 5}}}', /drives\.lto1\.path .* is 5: it must be text/],
    ['{"drives": []}', /drives .* is \[\]: it must be a JSON object/],
    ['{"MAX_GROUP_SIZE": null}', /MAX_GROUP_SIZE .* is null: it must be a size/],
    ['{"COMPRESSION_LEVEL": {}}', /COMPRESSION_LEVEL .* is \{\}: it must be a whole number/],
    [
      '{"pools": {"daily": {"retention": "soon"}}}',
      /The setting pools.daily.retention .* must be a duration/,
    ],
    ['{"pools": {"daily": {}}}', /The setting pools.daily .* is \{\}: it must have a retention such as/],
    [
      '{"pools": {"daily": {"keep": "hourly 3"}}}',
      /The setting pools.daily.keep .* is "hourly 3": it must be counts such as "last 3, daily 7/,
    ],
    ['{"pools": {"daily": {"keep": "daily 0"}}}', /pools.daily.keep .* must be counts/],
    ['{"pools": {"daily": {"keep": "daily 3, keep-daily 4"}}}', /pools.daily.keep .* each once/],
    ['{"pools": {"daily": {"keep": ""}}}', /pools.daily.keep .* must be counts/],
    [
      '{"pools": {"daily": {"retention": "1d", "x": 1}}}',
      /unknown setting "pools\.daily\.x"\. Allowed are: retention, keep\.$/,
    ],
  ] as const) {
    const other = path.join(dir, 'other');
    mkdirSync(other, { recursive: true });
    writeFileSync(path.join(other, 'tapeflow.config.json'), content);
    assert.throws(
      () => loadSettings({}, other),
      (error) => error instanceof TapeflowFailure && message.test(error.sentence),
    );
  }
});

test("the level is each format's own when it is not given, and nothing without compression", (t) => {
  const dir = tempFolder(t);
  const levelOf = (env: Record<string, string>) => loadSettings(env, dir).COMPRESSION_LEVEL;
  assert.equal(levelOf({}), 6);
  assert.equal(levelOf({ COMPRESSION: 'zstd' }), 3);
  assert.equal(levelOf({ COMPRESSION: 'zstd', COMPRESSION_LEVEL: '19' }), 19);
  assert.equal(levelOf({ COMPRESSION: 'none', COMPRESSION_LEVEL: '19' }), 0);
});

test('a set keeps the format that it began with, and those that began before there were others have gzip', (t) => {
  const dir = tempFolder(t);
  const snapshot = snapshotOptions(loadSettings({ COMPRESSION: 'zstd' }, dir));
  const rowOf = (options: object) => ({ options: JSON.stringify(options) }) as SetRow;
  assert.equal(setOptions(rowOf(snapshot)).compression, 'zstd');
  const { compression: _, ...before } = snapshot;
  assert.equal(setOptions(rowOf(before)).compression, 'gzip');
});

test('a watermark is off by default and as 0, is kept with a set, and is absent in sets that began without one', (t) => {
  const dir = tempFolder(t);
  const rowOf = (options: object) => ({ options: JSON.stringify(options) }) as SetRow;
  for (const [given, drainBytes] of [
    [undefined, 0],
    ['0', 0],
    ['30GiB', 30 * 2 ** 30],
  ] as const) {
    const settings = loadSettings(given === undefined ? {} : { TAPE_DRAIN_AT: given }, dir);
    const snapshot = snapshotOptions(settings);
    assert.equal(snapshot.drainBytes, drainBytes);
    assert.equal(settings.TAPE_SYNC_BYTES, Math.max(18 * 2 ** 30, drainBytes), 'no sync interrupts a drain');
    const { drainBytes: _, ...before } = snapshot;
    assert.equal(setOptions(rowOf(before)).drainBytes, 0);
    assert.equal(setOptions(rowOf(snapshot)).drainBytes, drainBytes);
  }
});

test('the list of settings shows no password of the catalog', (t) => {
  const dir = tempFolder(t);
  const shown = (url: string) =>
    settingRows(loadSettings({ CATALOG_URL: url }, dir)).find(([name]) => name === 'CATALOG_URL')?.[1];
  for (const [url, without] of [
    ['postgres://me:secret@host:5433/tapes', 'postgres://me@host:5433/tapes'],
    ['postgresql://me:se:c@ret@host/tapes', 'postgresql://me@host/tapes'],
    [
      'postgres://me@/tapes?host=/run&password=secret&sslpassword=secret',
      'postgres://me@/tapes?host=/run&password=…&sslpassword=…',
    ],
    ['postgres://me@host/tapes', 'postgres://me@host/tapes'],
  ] as const)
    assert.equal(shown(url), without);
});

test('each pool has its retention, or that of all others, which is for ever by default', (t) => {
  const dir = tempFolder(t);
  assert.deepEqual(retentionOf(loadSettings({}, dir).retentions, 'daily'), { seconds: null });
  const file = path.join(dir, 'tapeflow.config.json');
  const pools = { daily: { retention: '36h' }, vault: { retention: 'forever' } };
  writeFileSync(file, JSON.stringify({ pools }));
  const { retentions, origins } = loadSettings({ POOL_RETENTION: '12w' }, dir);
  const seconds = ['daily', 'vault', 'toString'].map((pool) => retentionOf(retentions, pool));
  assert.deepEqual(seconds, [{ seconds: 36 * 3600 }, { seconds: null }, { seconds: 84 * 86_400 }]);
  assert.deepEqual([origins.pools, origins.POOL_RETENTION], [file, 'environment']);
});

test('a pool keeps sets by count, alone or beside a time', (t) => {
  const dir = tempFolder(t);
  const pools = {
    nightly: { keep: 'keep-daily 7, weekly 4,monthly 12, yearly' },
    both: { keep: 'last 3', retention: '30d' },
    vault: { retention: 'forever' },
  };
  writeFileSync(path.join(dir, 'tapeflow.config.json'), JSON.stringify({ pools }));
  const alone = loadSettings({ POOL_KEEP: 'last 2' }, dir).retentions;
  const counts = { daily: 7, weekly: 4, monthly: 12, yearly: null };
  assert.deepEqual(retentionOf(alone, 'nightly'), { seconds: 0, counts });
  assert.deepEqual(retentionOf(alone, 'both'), { seconds: 30 * 86_400, counts: { last: 3 } });
  assert.deepEqual(retentionOf(alone, 'vault'), { seconds: null });
  assert.deepEqual(retentionOf(alone, 'other'), { seconds: 0, counts: { last: 2 } });
  assert.equal(alone.pools['nightly'], null, 'who knows no counts keeps for ever');
  const besides = loadSettings({ POOL_KEEP: 'last 2', POOL_RETENTION: '1d' }, dir).retentions;
  assert.deepEqual(retentionOf(besides, 'other'), { seconds: 86_400, counts: { last: 2 } });
});

test('durations, in and out', () => {
  for (const [text, seconds] of [
    ...([
      ['90s', 90],
      ['5min', 300],
      ['36h', 129_600],
      ['90d', 7_776_000],
      ['12w', 7_257_600],
    ] as const),
    ...([
      ['1y', 31_557_600],
      [' 2 D ', 172_800],
      ['90 days', 7_776_000],
      ['1.5h', 5400],
    ] as const),
  ])
    assert.equal(parseDuration(text), seconds, text);
  for (const text of ['3m', '3 M', '-1d', 'd', '', '90', '500ms', '12 parsecs', '1d 2h', '1..5h'])
    assert.equal(parseDuration(text), undefined, text);
  assert.deepEqual([129_600, 7_776_000, 31_557_600, 61].map(formatDuration), [
    ...['1 d 12 h', '90 d', '365 d 6 h', '1 min 1 s'],
  ]);
});

test('times that something took, for people', () => {
  assert.deepEqual([0, 4.23, 9.96, 42.4, 59.7, 185, 7620, 10_980, 273_600].map(formatSeconds), [
    ...['0 s', '4.2 s', '9.9 s', '42 s', '1 min', '3 min 5 s', '2 h 7 min', '3 h 3 min', '3 d 4 h'],
  ]);
});

test('sizes, in and out', () => {
  assert.equal(parseSize('12GiB'), 12 * 2 ** 30);
  assert.equal(parseSize('500MB'), 500_000_000);
  assert.equal(parseSize('64k'), 65_536);
  assert.equal(parseSize('1.5 T'), 1.5 * 2 ** 40);
  assert.equal(parseSize('12 parsecs'), undefined);
  assert.equal(formatBytes(1_260_000_000), '1.26 GB');
});
