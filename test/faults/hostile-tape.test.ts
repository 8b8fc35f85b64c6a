import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { fromBytes } from '../../entry/byte-string.js';
import { Installation } from '../support/installation.js';
import { setsInProcess } from '../support/sets-in-process.js';
import { archivesOn, listTar, tempFolder, untar, writeTree, longTest } from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';

test(
  'what somebody has put on a tape is never followed, replaced or believed: the set says what is in its way, waits, and goes on',
  { skip: longTest },
  async (t) => {
    const source = tempFolder(t);
    const elsewhere = tempFolder(t);
    const root = tempFolder(t);
    const tape = path.join(root, 'tape');
    writeTree(source, { a: 'content' });
    mkdirSync(tape);
    const installation = await Installation.make(t, { TAPE_PATH: tape });
    assert.equal((await installation.run(['tape', 'label', 'T1'])).code, 0);
    const up = installation.start(['up']);
    t.after(() => up.child.kill('SIGKILL'));
    await waitFor(() => up.output().includes('Temporal UI') || up.output().includes('http'), 'the server');

    let number = 0;
    /**
     * Runs a set against an obstacle on the tape until it waits; then takes the obstacle away, and the set must
     * complete.
     */
    const meets = async (
      obstacle: { make(folder: string, archive: string): void; clear(folder: string, archive: string): void },
      says: RegExp,
      args: string[] = [],
    ) => {
      const setId = `2030-01_${String((number += 1)).padStart(6, '0')}`;
      const folder = path.join(tape, setId);
      const archive = path.join(folder, `backup_${setId}_000001.tar.gz`);
      obstacle.make(folder, archive);
      const backup = installation.start(['backup', source, '--set', setId, ...args]);
      const reason = await waitFor(
        () =>
          installation.tryQuery<{ reason: string }>(
            `select reason from sets where id = ? and state = 'waiting_for_tape'`,
            setId,
          )[0]?.reason,
        'the set to wait',
      );
      assert.match(String(reason), says);
      // It waits, and does not try again and again.
      const tries = () =>
        installation.query<{ n: number }>(
          `select count(*) n from events where set_id = ? and stage in ('writing', 'compressing', 'waiting_for_tape')`,
          setId,
        )[0]?.n ?? 0;
      const status = await installation.run(['status', setId]);
      assert.match(status.stdout, says);
      assert.ok(tries() <= 4, `${tries()} events`);
      obstacle.clear(folder, archive);
      const { code, stdout } = await backup.ended;
      assert.equal(code, 0, stdout);
      assert.ok(tries() <= 5, `${tries()} events`);
      const [written = ''] = archivesOn(tape, setId);
      assert.equal(listTar(written).length, 2);
      assert.deepEqual(readdirSync(elsewhere), []);
    };

    for (const args of [[], ['--direct']]) {
      await meets(
        { make: (folder) => symlinkSync(elsewhere, folder), clear: (folder) => rmSync(folder) },
        /something else than a folder at .*2030-01/,
        args,
      );
      await meets(
        {
          make(folder, archive) {
            mkdirSync(folder);
            writeFileSync(archive, 'foreign');
          },
          clear(folder, archive) {
            assert.equal(readFileSync(archive, 'utf8'), 'foreign', 'it was not replaced');
            renameSync(archive, path.join(folder, 'saved'));
          },
        },
        /holds another .*backup_.* already/,
        args,
      );
    }
    await meets(
      {
        make: (_, archive) => mkdirSync(archive, { recursive: true }),
        clear: (_, archive) => rmSync(archive, { recursive: true }),
      },
      /holds another .*backup_.* already/,
    );
    const label = path.join(tape, 'tapeflow-label.json');
    const true_ = readFileSync(label);
    await meets(
      {
        make() {
          rmSync(label);
          execFileSync('mkfifo', [label]);
        },
        clear() {
          rmSync(label);
          writeFileSync(label, true_);
        },
      },
      /label .* is damaged: it is not a regular file/,
    );

    up.child.kill('SIGINT');
    await up.ended;
  },
);

test(
  'an archive whose manifest went missing between the two writes is made again, and replaces its own bytes on the tape',
  { skip: longTest },
  async (t) => {
    const source = tempFolder(t);
    const target = tempFolder(t);
    const tape = path.join(tempFolder(t), 'tape');
    writeTree(source, { a: 'as it was' });
    const installation = await Installation.make(t, { TAPE_PATH: tape });
    const backup = installation.start(['backup', source]);
    await waitFor(
      () => installation.tryQuery(`select 1 from groups where state = 'queued'`).length === 1,
      'the archive in final',
    );
    const [{ id } = { id: '' }] = installation.query<{ id: string }>('select id from sets');
    const [{ manifest_name: name } = { manifest_name: '' }] = installation.query<{ manifest_name: string }>(
      'select manifest_name from archives',
    );
    rmSync(path.join(installation.stagingDir, 'final', id, name));
    writeTree(source, { a: 'as it is now' });
    mkdirSync(tape);
    assert.equal((await installation.run(['tape', 'label', 'T1'])).code, 0);
    const { code, stdout } = await backup.ended;
    assert.equal(code, 0, stdout);
    untar(archivesOn(tape, id), target);
    assert.equal(readFileSync(path.join(target, source, 'a'), 'utf8'), 'as it is now');
  },
);

test('what is ours is left out of a source also where the settings name it by a link', async (t) => {
  const source = tempFolder(t);
  const way = path.join(tempFolder(t), 'way');
  symlinkSync(source, way);
  writeTree(source, { mine: 'x' });
  const at = (name: string) => path.join(way, name);
  mkdirSync(at('tape'));
  const folders = { TAPEFLOW_DATA_DIR: at('data'), BACKUP_COMPRESS_DIR: at('staging') };
  const sets = await setsInProcess(t, { ...folders, TAPEFLOW_LOCK_DIR: at('locks'), TAPE_PATH: at('tape') });
  const { setId, status } = await sets.backUp(source, 'full');
  assert.equal(status, 'completed');
  const rows = await sets.catalog.selectFrom('files').select('path').where('set_id', '=', setId).execute();
  assert.deepEqual(
    rows.map((row) => `/${fromBytes(row.path)}`.slice(source.length)),
    ['/', '/mine'],
  );
});
