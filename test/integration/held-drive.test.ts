import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadSettings } from '../../config/settings/load-settings.js';
import { lockDrive } from '../../tape/drives/drive-lock.js';
import { Installation } from '../support/installation.js';
import { noise, tempFolder, writeTree, longTest } from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';

test(
  'a set and a restore whose drive another installation has say who, wait, and go on when that one ends',
  { skip: longTest },
  async (t) => {
    const source = tempFolder(t);
    writeTree(source, { a: noise(100_000, 'held') });
    const tape = tempFolder(t);
    const installation = await Installation.make(t, { TAPE_PATH: tape, TAPE_KIND: 'directory' });
    assert.equal((await installation.run(['tape', 'label', 'T1'])).code, 0);
    const settings = loadSettings(
      { ...installation.env, TAPEFLOW_DATA_DIR: '/srv/another' },
      installation.root,
    );
    const [drive] = settings.drives;
    assert.ok(drive);
    const take = () => {
      const lock = lockDrive(settings, drive, 'tape worker');
      t.after(() => lock.release());
      return lock;
    };
    const who = new RegExp(
      `drive lto1 .* is in use by pid ${process.pid} .* data folder /srv/another, since 20`,
    );

    const other = take();
    const backup = installation.start(['backup', source]);
    const waits = () =>
      installation.tryQuery<{ id: string; state: string; reason: string }>(
        'select id, state, reason from sets',
      )[0];
    await waitFor(() => waits()?.state === 'waiting_for_tape', 'the set to wait');
    const setId = waits()?.id ?? '';
    assert.match(waits()?.reason ?? '', who);
    assert.match((await installation.run(['status', setId])).stdout, who);
    assert.match((await installation.run(['trace', setId])).stdout, who);
    assert.match(backup.output(), who);
    other.release();
    const { code, stdout } = await backup.ended;
    assert.equal(code, 0, stdout);
    await installation.quiet();

    const next = take();
    const restore = installation.start(['restore', setId, '--target', tempFolder(t)]);
    await waitFor(() => who.test(restore.output()), 'the restore to name the holder');
    next.release();
    assert.equal((await restore.ended).code, 0, restore.output());
  },
);
