import assert from 'node:assert/strict';
import { linkSync, rmSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { dryRun } from '../../client/commands/set/dry-run.js';
import type { Session } from '../../client/session.js';
import { setsInProcess } from '../support/sets-in-process.js';
import { noise, tempFolder, writeTree } from '../support/trees.js';

test('a dry run tells the numbers of the set that is made after it, full or incremental', async (t) => {
  const sets = await setsInProcess(t, {
    MAX_GROUP_SIZE: '100kB',
    MAX_GROUP_FILES: '9',
    STAGING_MAX_BYTES: '1MB',
  });
  const { catalog, settings } = sets;
  const source = tempFolder(t);
  // One file more than a group takes, links within a group and across groups, and files that just fill one.
  writeTree(source, {
    ...{
      'a/large': noise(250_000, 'large'),
      'b/whole': noise(100_000, 'whole'),
      'c/half': noise(50_000, 'c'),
    },
    ...{ 'c/other half': noise(50_000, 'd'), 'd/empty': '', 'e/linked': noise(60_000, 'e') },
    ...Object.fromEntries(Array.from({ length: 30 }, (_, no) => [`f/${no}`, String(no)])),
  });
  linkSync(path.join(source, 'e/linked'), path.join(source, 'e/linked too'));
  linkSync(path.join(source, 'e/linked'), path.join(source, 'z'));
  const told = async (mode: string) => {
    const objects: object[] = [];
    const session = { settings, json: true, catalog: () => Promise.resolve(catalog) };
    const says = { emit: (object: object) => objects.push(object), say: () => undefined };
    const planned = { pool: 'default', drive: 'lto1', places: undefined, direct: false, mode, host: null };
    const asked = { sources: [source], excludes: [], taken: {} };
    await dryRun({ ...session, ...says } as unknown as Session, planned, asked);
    const { entries, bytes, unchanged, archives, skipped } = objects.at(-1) as Record<string, number>;
    return { entries, bytes, unchanged, archives, skipped };
  };
  for (const mode of ['full', 'incremental', 'incremental']) {
    const expected = await told(mode);
    const { setId, files, archives, bytesIn, skipped } = await sets.backUp(source, mode);
    const groups = await catalog.selectFrom('groups').selectAll().where('set_id', '=', setId).execute();
    const unchanged = groups.reduce((sum, group) => sum + group.unchanged, 0);
    const bytes = groups.reduce((sum, group) => sum + group.bytes, 0);
    assert.deepEqual(expected, { entries: files, bytes, unchanged, archives, skipped }, mode);
    assert.equal(bytesIn, bytes);
    assert.equal(groups.length, archives);
    // A file that changed just before a set began is stored again by the next.
    const later = { created_at: Date.now() + 60_000 };
    await catalog.updateTable('sets').set(later).where('id', '=', setId).execute();
    writeTree(source, { 'b/whole': noise(99_999, setId), 'g/new': noise(40_000, setId) });
    rmSync(path.join(source, 'c/half'), { force: true });
  }
});
