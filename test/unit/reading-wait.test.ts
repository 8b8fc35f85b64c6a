import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TapeflowFailure } from '../../config/failures.js';
import { openDrive } from '../../tape/drives/open-drive.js';
import { requireForReading } from '../../tape/drives/loaded-tape.js';
import { openNewCatalog } from '../support/catalogs.js';
import { tempFolder } from '../support/trees.js';

test('whoever waits for a tape to be read is told how to mount it, and which one it is', async (t) => {
  const root = tempFolder(t);
  const catalog = await openNewCatalog(t);
  const drive = openDrive({ name: 'lto2', path: root, kind: 'ltfs', ours: false });
  await assert.rejects(requireForReading(drive, catalog, 'T7'), (error: TapeflowFailure) => {
    assert.equal(
      error.advice,
      `Load a tape and mount it with LTFS at ${root}. Load the tape T7 into drive lto2.`,
    );
    return true;
  });
});
