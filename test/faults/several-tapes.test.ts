import assert from 'node:assert/strict';
import { copyFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { Connection } from '@temporalio/client';
import type { temporal } from '@temporalio/proto';
import { readHostFile } from '../../embedded/host-file.js';
import { labelFileName } from '../../tape/labels/label.js';
import { Installation } from '../support/installation.js';
import { TapeDrive } from '../support/tape-drive.js';
import {
  archivesOn,
  assertSameTree,
  noise,
  tempFolder,
  untar,
  writeTree,
  longTest,
} from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';

function reasonOf(installation: Installation, setId: string, reason: RegExp): Promise<unknown> {
  return waitFor(() => {
    const [row] = installation.tryQuery<{ state: string; reason: string | null }>(
      'select state, reason from sets where id = ?',
      setId,
    );
    return row?.state === 'waiting_for_tape' && reason.test(row.reason ?? '');
  }, `the set ${setId} to wait because of ${reason.source}`);
}

/** Events in the history of a set's workflow. */
async function historyLength(installation: Installation, setId: string): Promise<number> {
  const connection = await Connection.connect({ address: readHostFile(installation.dataDir)?.address ?? '' });
  try {
    const { workflowExecutionInfo } = await connection.workflowService.describeWorkflowExecution({
      namespace: 'default',
      execution: { workflowId: `backup-${setId}-${installation.shortId}` },
    } satisfies temporal.api.workflowservice.v1.IDescribeWorkflowExecutionRequest);
    return Number(workflowExecutionInfo?.historyLength ?? 0);
  } finally {
    await connection.close();
  }
}

test(
  'a set over three tapes: the next is asked for by its pool, wrong ones are refused with the reason, at no cost',
  { skip: longTest },
  async (t) => {
    if (process.getuid?.() !== 0) return t.skip('mounting needs root');
    const source = tempFolder(t);
    const target = tempFolder(t);
    for (let i = 0; i < 8; i += 1) writeTree(source, { [`file-${i}`]: noise(2_000_000, `three ${i}`) });
    const drive = new TapeDrive(t);
    const tapes = [drive.newTape(), drive.newTape(), drive.newTape()] as const;
    const env = {
      TAPE_PATH: drive.path,
      MAX_GROUP_SIZE: '2MB',
      TAPE_SYNC_BYTES: '1GB',
      STAGING_MAX_BYTES: '40MB',
    };
    const installation = await Installation.make(t, env);
    const foreign = await Installation.make(t, { TAPE_PATH: tempFolder(t) });
    const label = async (tape: string, name: string, pool = 'default') => {
      drive.load(tape);
      const { code, stderr } = await installation.run(['tape', 'label', name, '--pool', pool]);
      assert.equal(code, 0, stderr);
      drive.unload();
    };
    await label(tapes[1], 'TAPE2');
    await label(tapes[2], 'TAPE3');
    const monthly = drive.newTape('1m');
    await label(monthly, 'MONTH1', 'monthly');
    const stranger = drive.newTape('1m');
    assert.equal((await foreign.run(['tape', 'label', 'ALIEN1'])).code, 0);
    copyFileSync(path.join(foreign.tapeDir, labelFileName), path.join(stranger, labelFileName));
    const empty = drive.newTape('1m');
    await label(tapes[0], 'TAPE1');
    drive.load(tapes[0]);

    const { setId } = await installation.json<{ setId: string }>(['backup', source, '--detach']);
    await reasonOf(installation, setId, /TAPE1 is full: .* Load another tape of pool default/);
    assert.equal(
      installation.query(`select 1 from copies where state = 'committed'`).length,
      3,
      'what the full tape holds was synced there before it was given up',
    );
    const wrong: [string, RegExp, { readOnly: boolean }?][] = [
      [empty, /has no label .*The set needs a tape of pool default with room for 2 MB/],
      [stranger, /ALIEN1 .*belongs to another installation.*The set needs a tape of pool default/],
      [monthly, /MONTH1 is of pool monthly, but the set writes to pool default/],
      [tapes[1], /TAPE2 cannot be written: the file system is read-only/, { readOnly: true }],
      [tapes[0], /TAPE1 is full/],
    ];
    let before = 0;
    for (const [tape, reason, options] of wrong) {
      drive.swap(tape, options);
      await reasonOf(installation, setId, reason);
      // From the first reason on that the watch has written, and not the write that was refused.
      if (before === 0) before = await historyLength(installation, setId);
    }
    const status = await installation.run(['status', setId]);
    assert.match(status.stdout, /waiting for tape: The tape TAPE1 is full/);
    assert.equal(await historyLength(installation, setId), before, 'the wait does not grow the history');
    for (const tape of [empty, stranger, monthly]) {
      assert.deepEqual(
        readdirSync(tape).filter((name) => name !== labelFileName),
        [],
        'nothing was written to a wrong tape',
      );
    }

    drive.swap(tapes[1]);
    await reasonOf(installation, setId, /TAPE2 is full/);
    const list = await installation.run(['tape', 'list']);
    assert.match(list.stdout, /TAPE2 +default +full .* no room/);
    const doctor = await installation.run(['doctor']);
    assert.equal(doctor.code, 1);
    assert.match(
      doctor.stdout,
      /TROUBLE +drive lto1: .*TAPE2, pool default, full[^\n]*\n +→ Load another tape of pool default/,
    );
    drive.swap(tapes[2]);
    const { code, stdout } = await installation.run(['watch', setId]);
    assert.equal(code, 0, stdout);
    const summary = await installation.json<{ tapes: string[]; archives: number }>(['status', setId]);
    assert.deepEqual(summary.tapes, ['TAPE1', 'TAPE2', 'TAPE3']);
    assert.equal(summary.archives, 8);
    const archives = tapes.flatMap((tape) => archivesOn(tape, setId));
    assert.deepEqual(
      archives.map((file) => path.basename(file)).sort(),
      Array.from({ length: 8 }, (_, i) => `backup_${setId}_00000${i + 1}.tar.gz`),
      'every archive is on one tape, whole',
    );
    for (const tape of tapes)
      assert.ok(!readdirSync(path.join(tape, setId)).some((name) => name.endsWith('.part')));
    untar(archives, target);
    assertSameTree(path.join(target, source), source, { folderTimes: false });
    await installation.run(['down']);
  },
);

test(
  'two sets of two pools on one drive: the one whose tape is full does not block the other, nor the other way round',
  { skip: longTest },
  async (t) => {
    if (process.getuid?.() !== 0) return t.skip('mounting needs root');
    const [small, large] = [tempFolder(t), tempFolder(t)];
    const target = tempFolder(t);
    for (let i = 0; i < 2; i += 1) writeTree(small, { [`s-${i}`]: noise(500_000, `small ${i}`) });
    for (let i = 0; i < 5; i += 1) writeTree(large, { [`l-${i}`]: noise(2_000_000, `large ${i}`) });
    const drive = new TapeDrive(t);
    const [a1, a2, b1] = [drive.newTape(), drive.newTape(), drive.newTape()];
    const installation = await Installation.make(t, {
      TAPE_PATH: drive.path,
      MAX_GROUP_SIZE: '2MB',
      STAGING_MAX_BYTES: '40MB',
    });
    for (const [tape, name, pool] of [
      [a2, 'A2', 'weekly'],
      [b1, 'B1', 'daily'],
      [a1, 'A1', 'weekly'],
    ] as const) {
      drive.load(tape);
      assert.equal((await installation.run(['tape', 'label', name, '--pool', pool])).code, 0);
      drive.unload();
    }
    drive.load(a1);
    const begin = async (source: string, pool: string) =>
      (await installation.json<{ setId: string }>(['backup', source, '--pool', pool, '--detach'])).setId;
    const weekly = await begin(large, 'weekly');
    await reasonOf(installation, weekly, /A1 is full/);
    const daily = await begin(small, 'daily');
    await reasonOf(installation, daily, /A1 is of pool weekly, but the set writes to pool daily/);
    drive.swap(b1);
    await waitFor(
      () => installation.query(`select 1 from sets where id = ? and state = 'completed'`, daily).length === 1,
      'the set of the other pool to complete',
    );
    await reasonOf(installation, weekly, /B1 is of pool daily, but the set writes to pool weekly/);
    drive.swap(a2);
    assert.equal((await installation.run(['watch', weekly])).code, 0);
    untar([...archivesOn(a1, weekly), ...archivesOn(a2, weekly), ...archivesOn(b1, daily)], target);
    assertSameTree(path.join(target, large), large, { folderTimes: false });
    assertSameTree(path.join(target, small), small, { folderTimes: false });
    await installation.run(['down']);
  },
);
