import assert from 'node:assert/strict';
import { test } from 'node:test';
import { plannedBackup, type BackupFlags } from '../../client/commands/backup.js';
import { TapeflowFailure } from '../../config/failures.js';
import { loadSettings } from '../../config/settings.js';
import { tempFolder, writeTree } from '../support/trees.js';

const none = { drive: [], pool: [], exclude: [], mode: 'full' };

test('copies that would be on one tape, or of which the second could not be written, are refused in a sentence', (t) => {
  const source = tempFolder(t);
  writeTree(source, { a: 'a' });
  const settings = loadSettings({}, tempFolder(t));
  const planned = (flags: Partial<BackupFlags>) => plannedBackup(settings, [source], { ...none, ...flags });
  const two = { copies: '2', pool: ['A', 'B'] };
  for (const [flags, reason] of [
    [{ copies: '2', pool: ['A', 'A'] }, /Each copy needs a pool of its own/],
    [{ copies: '2', pool: ['A'] }, /for 2 copies one pool is given \(A\)/],
    [{ pool: ['A', 'B'] }, /Add --copies 2 for a copy in each/],
    [{ ...two, direct: true }, /Several copies need staging/],
    [{ copies: 'two' }, /--copies cannot be "two"/],
    [{ ...two, drive: ['lto1', 'lto1', 'lto1'] }, /2 copies, but 3 drives/],
    [{ ...two, drive: ['lto1', 'lto2'] }, /There is no drive lto2/],
  ] as const) {
    assert.throws(
      () => planned({ ...flags, ...('pool' in flags ? { pool: [...flags.pool] } : {}) } as BackupFlags),
      (error) => error instanceof TapeflowFailure && error.kind === 'usage' && reason.test(error.sentence),
    );
  }
  assert.equal(planned({}).places, undefined);
  assert.deepEqual(planned(two).places, [
    { pool: 'A', drive: 'lto1' },
    { pool: 'B', drive: 'lto1' },
  ]);
});
