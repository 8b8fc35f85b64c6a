import assert from 'node:assert/strict';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { openScheduledSet } from '../../activities/schedule/open-scheduled-set.js';
import { scanSources } from '../../activities/set/scan-sources.js';
import { insertSchedule, recordRun } from '../../catalog/server/schedules.js';
import { parseScheduled } from '../../client/commands/schedule/scheduled-command.js';
import type { Session } from '../../client/session.js';
import { setsInProcess } from '../support/sets-in-process.js';
import { tempFolder, writeTree } from '../support/trees.js';

test('each run of a schedule takes what its list and its exclude file say then, and a run that is done again what they said before', async (t) => {
  const sets = await setsInProcess(t);
  const { catalog, deps, attempt } = sets;
  const root = tempFolder(t);
  writeTree(root, { a: 'a', 'folder/b': 'b', 'folder/c.log': 'c', d: 'd' });
  const [list, globs] = [path.join(root, 'list'), path.join(root, 'globs')];
  const lists = (paths: string[], excludes: string[]) => {
    writeFileSync(list, paths.map((name) => `${path.join(root, name)}\0`).join(''));
    writeFileSync(globs, excludes.join('\n'));
  };
  lists(['a', 'folder'], ['*.log']);
  const session = { settings: deps.settings, allDrives: async () => deps.settings } as Session;
  const words = ['backup', '--files-from0', list, '--exclude-from', globs];
  const work = await parseScheduled(session, words);
  const row = { name: 'nightly', cron: '0 2 * * *', zone: 'UTC', command: words.join(' ') };
  await insertSchedule(catalog, { ...row, arguments: JSON.stringify(work) }, { replace: false });

  const run = async (runAt: number) => {
    await recordRun(catalog, 'nightly', runAt);
    return attempt(() => openScheduledSet(deps, { name: 'nightly', runAt }, `run ${runAt}`));
  };
  /** What comes back from tape of a set. */
  const stored = async (setId: string) => {
    await attempt(() => scanSources(deps, setId));
    for (const group of await sets.groupsOf(setId)) await sets.store(setId, group);
    await sets.end(setId);
    const target = tempFolder(t);
    assert.equal((await sets.restore(setId, target)).status, 'completed');
    const all = readdirSync(path.join(target, root), { recursive: true, encoding: 'utf8' });
    return all.sort();
  };
  const first = await run(1);
  rmSync(list);
  assert.equal((await run(1)).setId, first.setId);
  lists(['d', 'folder'], ['b']);
  assert.deepEqual(await stored(first.setId), ['a', 'folder', 'folder/b']);
  const second = await run(2);
  assert.notEqual(second.setId, first.setId);
  assert.deepEqual(await stored(second.setId), ['d', 'folder', 'folder/c.log']);
});
