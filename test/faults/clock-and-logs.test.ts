import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { Installation } from '../support/installation.js';
import { assertWholeOnTape, countEvents, onlySet } from '../support/set-state.js';
import { SmallDisk } from '../support/small-disk.js';
import { noise, tempFolder, writeTree, longTest } from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';

const faketime = '/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1';

test('a clock that is set back by an hour in the middle of a set: no wait takes an hour, and events keep their order', async (t) => {
  if (!existsSync(faketime)) return t.skip('needs libfaketime');
  const source = tempFolder(t);
  for (let i = 0; i < 10; i += 1) writeTree(source, { [`f${i}`]: noise(700_000, `clock ${i}`) });
  const clock = path.join(tempFolder(t), 'clock');
  writeFileSync(clock, '+0');
  const installation = await Installation.make(t, {
    MAX_GROUP_SIZE: '1MB',
    TAPE_SYNC_SECONDS: '1',
    LD_PRELOAD: faketime,
    FAKETIME_TIMESTAMP_FILE: clock,
    FAKETIME_NO_CACHE: '1',
    // A clock that is set does not change the monotonic one, nor the times of files.
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
    DONT_FAKE_MONOTONIC: '1',
    NO_FAKE_STAT: '1',
  });
  const backup = installation.start(['backup', source]);
  await waitFor(() => countEvents(installation, 'compressed') >= 2, 'two archives');
  writeFileSync(clock, '-3600');
  const { code, stdout } = await backup.ended;
  assert.equal(code, 0, stdout);
  assertWholeOnTape(t, installation, onlySet(installation), source);
  const events = installation.query<{ group_no: number; stage: string; at: number }>(
    'select group_no, stage, at from events where group_no is not null order by id',
  );
  const times = events.map((event) => event.at);
  assert.ok(Math.max(...times) - Math.min(...times) > 3_500_000, 'the clock was set back among them');
  const order = ['planned', 'compressing', 'compressed', 'promoting', 'promoted', 'final_visible', 'queued'];
  order.push('writing', 'written', 'synced', 'committed', 'released');
  for (let group = 1; group <= 10; group += 1) {
    const stages = events.filter((event) => event.group_no === group).map((event) => event.stage);
    assert.deepEqual(stages, order, `group ${group}`);
  }
  const { seconds } = await installation.json<{ seconds: number }>(['status', onlySet(installation)]);
  assert.ok(seconds >= 0, `${seconds} s`);
});

test(
  'a full disk under the logs takes no worker down; what was not written is written when it has room',
  { skip: longTest },
  async (t) => {
    const disk = SmallDisk.make(t, 1_000_000);
    if (disk === undefined) return;
    const source = tempFolder(t);
    for (let i = 0; i < 6; i += 1) writeTree(source, { [`f${i}`]: noise(700_000, `log ${i}`) });
    const log = path.join(disk.folder, 'tapeflow.log');
    const installation = await Installation.make(t, { MAX_GROUP_SIZE: '1MB', LOG_FILE: log });
    await installation.run(['backup', source, '--detach']);
    await waitFor(() => countEvents(installation, 'compressing') >= 1, 'the first compression');
    const workers = [await installation.worker('archive'), await installation.worker('lto1')];
    disk.fill();
    const setId = onlySet(installation);
    await waitFor(() => countEvents(installation, 'released') === 6, 'every group to be released');
    assert.deepEqual([await installation.worker('archive'), await installation.worker('lto1')], workers);
    disk.makeRoom();
    await installation.run(['down']);
    await installation.quiet();
    assert.match(readFileSync(log, 'utf8'), /"stage":"released".*"group":6/);
    assertWholeOnTape(t, installation, setId, source);
  },
);
