import assert from 'node:assert/strict';
import { appendFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { compressGroup } from '../../activities/set/compress-group.js';
import { scanSources } from '../../activities/set/scan-sources.js';
import { snapshotOptions } from '../../operations/sets/set-options.js';
import { fromBytes } from '../../entry/byte-string.js';
import { openSet } from '../../catalog/sets/open-set.js';
import { setsInProcess } from '../support/sets-in-process.js';
import { tempFolder, writeTree } from '../support/trees.js';

test('a file that grew after the scan is stored and flagged, also where its group is full', async (t) => {
  const source = tempFolder(t);
  writeTree(source, { a: Buffer.alloc(60_000, 'a'), b: Buffer.alloc(40_000, 'b') });
  const { catalog, deps, attempt, settings } = await setsInProcess(t, { MAX_GROUP_SIZE: '100000' });
  const { set } = await openSet(
    catalog,
    {
      ...{ sources: [source], excludes: [], pool: 'default', drive: 'lto1', mode: 'full', direct: false },
      options: snapshotOptions(settings),
    },
    { fresh: true },
  );
  await attempt(() => scanSources(deps, set.id));
  appendFileSync(path.join(source, 'b'), '12345');
  await attempt(() => compressGroup(deps, { setId: set.id, group: 1 }));
  const rows = await catalog.selectFrom('files').selectAll().where('type', '=', 'file').execute();
  const b = rows.find((row) => fromBytes(row.path).endsWith('/b'));
  assert.deepEqual([b?.state, b?.size], ['packed', 40_005]);
  assert.match(b?.reason ?? '', /chang|grew|newer/);
});
