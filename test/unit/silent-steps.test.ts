import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MockActivityEnvironment } from '@temporalio/testing';
import { compressGroup } from '../../activities/set/compress-group.js';
import type { DriveDeps } from '../../operations/deps.js';
import { promoteArchive } from '../../activities/set/promote-archive.js';
import { readArchive } from '../../activities/retrieval/read-archive.js';
import { syncTape } from '../../activities/tape/sync-tape.js';
import { watchForRetrieval } from '../../activities/retrieval/watch-for-retrieval.js';
import { watchTape } from '../../activities/tape/watch-tape.js';
import { writeToTape } from '../../activities/tape/write-to-tape.js';
import { planVerify } from '../../catalog/retrievals/plan/plan-verify.js';
import { insertRetrieval } from '../../catalog/retrievals/retrievals.js';
import { setsInProcess } from '../support/sets-in-process.js';
import { noise, tempFolder, writeTree } from '../support/trees.js';

test('each step at a drive that does not answer says so, and ends when it is cancelled', async (t) => {
  const { begin, attempt, deps, catalog } = await setsInProcess(t);
  const source = tempFolder(t);
  writeTree(source, { a: noise(1000, 'silent') });
  const setId = await begin(source, 'full');
  const ref = { setId, group: 1 };

  /** Runs a step at a drive that never answers, cancels it when it says so, and waits for its end. */
  async function hangs(name: string, step: (deps: DriveDeps) => Promise<unknown>): Promise<void> {
    const never = () => new Promise<never>(() => undefined);
    const { settings } = deps.drive;
    const drive = { ...deps.drive, settings: { ...settings, path: `/silent/${name}` }, medium: never };
    const environment = new MockActivityEnvironment();
    let why: string | undefined;
    environment.on('heartbeat', (details?: { why?: string; stuck?: boolean }) => {
      why = details?.why;
      if (details?.stuck === true) environment.cancel('CANCELLED');
    });
    const hasty = { ...deps.settings, DRIVE_ANSWER_SECONDS: 0.5 };
    const run = environment.run(() => step({ ...deps, settings: hasty, drive }));
    await assert.rejects(run, { name: 'CancelledFailure' }, name);
    assert.match(why ?? '', /^the drive lto1.* has not answered since /, name);
  }

  await attempt(() => compressGroup(deps, ref));
  await attempt(() => promoteArchive(deps, ref));
  await Promise.all([
    hangs('watchTape', (silent) => watchTape(silent, ref)),
    hangs('writeToTape', (silent) => writeToTape(silent, ref)),
  ]);
  const { tape } = await attempt(() => writeToTape(deps, ref));
  await hangs('syncTape', (silent) => syncTape(silent, setId, tape, [1]));
  await attempt(() => syncTape(deps, setId, tape, [1]));
  const wanted = { kind: 'verify', subject: setId, target: null, drive: 'lto1', overwrite: 'never' } as const;
  const selection = JSON.stringify({ names: [], globs: [] });
  const archives = await planVerify(catalog, { setId }, 100);
  const { id } = await insertRetrieval(catalog, { ...wanted, selection }, archives, []);
  const archive = { id, no: 1 };
  await Promise.all([
    hangs('readArchive', (silent) => readArchive(silent, archive)),
    hangs('watchForRetrieval', (silent) => watchForRetrieval(silent, archive)),
  ]);
});
