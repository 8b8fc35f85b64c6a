import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { fromText } from '../../entry/byte-string.js';
import { FolderLooks } from '../../source/folder-looks.js';
import { walk } from '../../source/walk.js';
import { look } from '../../source/walked-entry.js';
import { tempFolder } from '../support/trees.js';

/** The member name of a folder. */
const memberOf = (folder: string) => `${fromText(folder).slice(1)}/`;

test('entries that are looked at together are what each is alone', (t) => {
  const folder = tempFolder(t);
  const at = (name: string) => path.join(folder, name);
  for (let no = 100; no < 250; no += 1) writeFileSync(at(`file ${no}`), 'x'.repeat(no));
  mkdirSync(at('folder'), { mode: 0o2750 });
  symlinkSync('nowhere', at('link'));
  execFileSync('mkfifo', [at('pipe')]);
  for (const [name, time] of [
    ['before 1970', '@-1.5'],
    ['beyond dates', '@8640000000001'],
  ] as const) {
    writeFileSync(at(name), '');
    execFileSync('touch', ['-d', time, at(name)]);
  }
  writeFileSync(at('holes'), 'x');
  truncateSync(at('holes'), 5_000_000);
  writeFileSync(Buffer.from(`${folder}/latin\xe9`, 'latin1'), 'no utf-8');
  utimesSync(at('file 100'), 1e9, 1_234_567_890.987);
  const names = [
    ...Array.from({ length: 150 }, (_, no) => `file ${no + 100}`),
    ...['folder', 'gone', 'link', 'pipe', 'before 1970', 'beyond dates', 'holes', 'latin\xe9'],
  ].sort();
  const looks = new FolderLooks(memberOf(folder), names);
  for (const [place, name] of names.entries()) {
    // Some are passed over.
    if (place % 7 !== 3) assert.deepEqual(looks.at(place), look(memberOf(folder) + name), name);
  }
});

test('what a walk has seen of a folder before it went into another one in it is looked at again', (t) => {
  const folder = tempFolder(t);
  // After the first, the walk looks at two at once: `b` and `c1`; it goes into `b` between them.
  for (const name of ['a1', 'c1', 'c2', 'c3']) writeFileSync(path.join(folder, name), 'short');
  mkdirSync(path.join(folder, 'b'));
  writeFileSync(path.join(folder, 'b', 'inside'), '');
  const sizes: Record<string, number | undefined> = {};
  const options = {
    sources: [folder],
    excludes: [],
    ownFolders: [],
    after: undefined,
    onLeftOut: () => undefined,
  };
  for (const { name, stats, skipped } of walk(options)) {
    const own = path.basename(name);
    sizes[own] = skipped === null ? stats?.size : undefined;
    if (own !== 'inside') continue;
    writeFileSync(path.join(folder, 'c1'), 'longer now');
    rmSync(path.join(folder, 'c2'));
  }
  assert.deepEqual([sizes['a1'], sizes['c1'], sizes['c2'], sizes['c3']], [5, 10, undefined, 5]);
});
