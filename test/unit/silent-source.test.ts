import assert from 'node:assert/strict';
import { mkdirSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { CancelledFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { workAt } from '../../activities/asked.js';
import { sourceSteps } from '../../activities/set/asked-sources.js';
import { compressGroup } from '../../activities/set/compress-group.js';
import { scanSources } from '../../activities/set/scan-sources.js';
import { snapshotOptions } from '../../operations/sets/set-options.js';
import { openSet } from '../../catalog/sets/open-set.js';
import { tempDir } from '../../staging/paths.js';
import { FakeLtfs } from '../support/fake-ltfs.js';
import { setsInProcess } from '../support/sets-in-process.js';
import { noise, tempFolder, writeTree } from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';

test('a scan and a compression whose source does not answer end when they are cancelled; what they left changes nothing, and later steps wait for it', async (t) => {
  const mount = await FakeLtfs.make(t);
  if (mount === undefined) return;
  t.after(() => mount.goOn());
  const { begin, deps, catalog, settings } = await setsInProcess(t);
  const hasty = { ...deps, settings: { ...settings, DRIVE_ANSWER_SECONDS: 0.5 } };
  const local = tempFolder(t);
  const [packed, scanned] = [path.join(mount.mount, 'packed'), path.join(mount.mount, 'scanned')];
  for (const folder of [packed, scanned]) mkdirSync(folder);
  writeTree(packed, { a: noise(100_000, 'packed') });
  writeTree(scanned, { b: 'b' });
  writeTree(local, { c: 'c' });

  /** A set that is only opened. */
  async function opened(sources: string[]): Promise<string> {
    const wanted = { excludes: [], pool: 'default', drive: 'lto1', mode: 'full', direct: false };
    const options = snapshotOptions(settings);
    const { set } = await openSet(catalog, { ...wanted, sources, options }, { fresh: true });
    return set.id;
  }

  /** A step, with what its heartbeat says. */
  function begun<Result>(step: () => Promise<Result>, hear: (why: string) => void = () => undefined) {
    const environment = new MockActivityEnvironment();
    const said: string[] = [];
    environment.on('heartbeat', ({ why = '' }: { why?: string } = {}) => {
      said.push(why);
      hear(why);
    });
    return { said, ended: environment.run(step), cancel: () => environment.cancel('CANCELLED') };
  }

  /** Cancels a step when it says that its source hangs, and returns the sentence of what it leaves behind. */
  async function leftBehind(step: () => Promise<unknown>): Promise<string> {
    const { ended, cancel } = begun(step, (why) => {
      if (why !== '') cancel();
    });
    const failure = await ended.then(
      () => undefined,
      (error: unknown) => error,
    );
    assert.ok(failure instanceof CancelledFailure, String(failure));
    const [{ left }] = failure.details as [{ left: string }];
    return left;
  }

  const ref = { setId: await begin(packed, 'full'), group: 1 };
  const unscanned = await opened([local, scanned]);
  const group = () =>
    catalog.selectFrom('groups').selectAll().where('set_id', '=', ref.setId).executeTakeFirstOrThrow();
  mount.hang();
  const sentences = await Promise.all([
    leftBehind(() => compressGroup(hasty, ref)),
    leftBehind(() => scanSources(hasty, unscanned)),
  ]);
  const silent = (source: string) =>
    new RegExp(
      `^the source ${source} has not answered since [0-9:]{8}: the step .* is left to end by itself$`,
    );
  assert.match(sentences[0], silent(packed));
  assert.match(sentences[1], silent(scanned));
  assert.equal(workAt(sourceSteps).length, 2);
  const before = await group();

  // A step of another source goes on; those of the silent ones wait, and say for what.
  await begin(local, 'full');
  const again = begun(() => compressGroup(hasty, ref));
  const rescan = begun(() => scanSources(hasty, unscanned));
  const waits = (source: string) =>
    new RegExp(`^the source ${source} has not answered since .*: a step that was left to end by itself`);
  await waitFor(
    () => waits(packed).test(again.said.at(-1) ?? ''),
    'the compression to say what it waits for',
  );
  await waitFor(() => waits(scanned).test(rescan.said.at(-1) ?? ''), 'the scan to say what it waits for');
  assert.deepEqual(await group(), before);
  for (const step of [again, rescan]) step.cancel();
  await Promise.all([assert.rejects(again.ended), assert.rejects(rescan.ended)]);

  mount.goOn();
  await waitFor(() => workAt(sourceSteps).length === 0, 'what was left behind to end');
  assert.deepEqual(await group(), before);
  assert.deepEqual(readdirSync(tempDir(settings.BACKUP_COMPRESS_DIR, ref.setId)), []);
  const rows = await catalog.selectFrom('files').select('path').where('set_id', '=', unscanned).execute();
  assert.deepEqual(rows, []);

  await begun(() => compressGroup(hasty, ref)).ended;
  await begun(() => scanSources(hasty, unscanned)).ended;
  assert.equal((await group()).state, 'compressed');
  const set = await catalog
    .selectFrom('sets')
    .select('scanned')
    .where('id', '=', unscanned)
    .executeTakeFirst();
  assert.equal(set?.scanned, 1);
});
