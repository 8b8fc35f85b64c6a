import assert from 'node:assert/strict';
import { mkdirSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { givenText } from '../../entry/excludes.js';
import { newTally, type Tally, type TakenOptions } from '../../entry/tally.js';
import { resolveExclude } from '../../source/taken/resolve-excludes.js';
import { walk } from '../../source/walk.js';
import { tempFolder, writeTree } from '../support/trees.js';

interface Taken {
  /** Names below the root, in the order of the walk; folders end in `/`. */
  names: string[];
  tally: Tally;
}

/** What a backup of these sources takes, whose author stands in a folder. */
function taken(
  root: string,
  asked: { sources?: string[]; from?: string; excludes?: string[]; options?: TakenOptions; after?: string },
): Taken {
  const { sources = ['.'], from = '.', options = {} } = asked;
  const real = sources.map((source) => realpathSync(path.join(root, source)));
  const view = { from: path.join(root, from), sources: real };
  const excludes = (asked.excludes ?? []).map((given) => resolveExclude(given, view));
  const tally = newTally(excludes.length, options);
  const onLeftOut = (where: string, why: string) =>
    tally.leftOut.push(`${path.relative(root, where)} ${why}`);
  const after = asked.after === undefined ? undefined : `${root.slice(1)}/${asked.after}`;
  const entries = walk({ sources: real, excludes, options, tally, ownFolders: [], after, onLeftOut });
  return { names: [...entries].map(({ name }) => name.slice(root.length)), tally };
}

function treeOf(t: TestContext, names: string[]): string {
  const root = realpathSync(tempFolder(t));
  writeTree(root, Object.fromEntries(names.map((name) => [name, name])));
  return root;
}

test('an exclude that is a path means the folder that its author sees, however it is written', (t) => {
  const root = treeOf(t, ['src/cache/x', 'src/deep/cache/x', 'src/keep', 'elsewhere/x']);
  symlinkSync('src', path.join(root, 'link'));
  const rest = ['src/', 'src/deep/', 'src/deep/cache/', 'src/deep/cache/x', 'src/keep'];
  const ways: [exclude: string, from?: string, source?: string][] = [
    ['src/cache'],
    ['./src/cache'],
    ['./cache', 'src'],
    ['./cache', 'elsewhere'],
    ['../src/cache', 'elsewhere'],
    ['src//cache'],
    ['src/./cache/'],
    ['src/deep/../cache'],
    [`${root}/src/cache`, 'elsewhere'],
    [`${root}/src//cache`, 'elsewhere'],
    [`${root}/src/cache/`, 'elsewhere'],
    ['link/cache', '.', 'link'],
    ['link/cache'],
    [`${root}/link/cache`, 'elsewhere', 'link'],
    ['src/c*e'],
    ['*/cache'],
  ];
  for (const [exclude, from = '.', source = 'src'] of ways) {
    const { names, tally } = taken(root, { sources: [source], from, excludes: [exclude] });
    assert.deepEqual([names, tally.excludes], [rest, [1]], `${exclude} from ${from}`);
  }
  // Where the path leads into no source, it is one from each source.
  const far = taken(root, { sources: ['src'], from: 'elsewhere', excludes: ['deep/cache'] });
  assert.deepEqual(far.names, ['src/', 'src/cache/', 'src/cache/x', 'src/deep/', 'src/keep']);
});

test('a link in a source can be excluded, without what it leads to', (t) => {
  const root = treeOf(t, ['src/real/x']);
  symlinkSync('real', path.join(root, 'src/link'));
  const { names } = taken(root, { sources: ['src'], excludes: ['src/link'] });
  assert.deepEqual(names, ['src/', 'src/real/', 'src/real/x']);
});

test('an exclude never matches a name above the source', (t) => {
  const root = treeOf(t, ['build/app/x', 'build/app/build/y', 'build/app/sub/build/z']);
  const kept = ['build/app/', 'build/app/sub/', 'build/app/x'];
  for (const exclude of ['build', 'build/', '**/build']) {
    const { names, tally } = taken(root, { sources: ['build/app'], excludes: [exclude] });
    assert.deepEqual([names, tally.excludes], [kept, [2]], exclude);
  }
  const all = taken(root, { sources: ['build/app'], excludes: [`${root}/build`, `${root}/build/`] });
  assert.equal(all.names.length, 7);
  assert.deepEqual(all.tally.excludes, [0, 0]);
});

test('a blank at the end of an exclude counts', (t) => {
  const root = treeOf(t, ['s/a/x', 's/a /x', 's/b /x', 's/b/x', 's/c\t/x', 's/ /x']);
  const left = (...excludes: string[]) =>
    taken(root, { sources: ['s'], excludes })
      .names.filter((name) => name.endsWith('x'))
      .map((name) => name.split('/')[1]);
  assert.deepEqual(left('a '), [' ', 'a', 'b ', 'b', 'c\t']);
  assert.deepEqual(left('a\\ ', './s/b '), [' ', 'a', 'b', 'c\t']);
  assert.deepEqual(left('a', 's/b'), [' ', 'a ', 'b ', 'c\t']);
  assert.deepEqual(left(' ', '?\t'), ['a ', 'a', 'b ', 'b']);
});

test('the last exclude that matches decides, and what is kept brings the folders above it', (t) => {
  const root = treeOf(t, [
    's/a.txt',
    's/b.log',
    's/sub/c.txt',
    's/sub/d.log',
    's/none/e.log',
    's/keep/f.log',
  ]);
  const texts = taken(root, { sources: ['s'], excludes: ['*', '!*.txt'] });
  assert.deepEqual(texts.names, ['s/', 's/a.txt', 's/sub/', 's/sub/c.txt']);
  assert.deepEqual(
    texts.tally.excludes,
    [6, 2],
    'two logs, and two folders with one each; two texts are kept',
  );
  const folder = taken(root, { sources: ['s'], excludes: ['*', '!keep/'] });
  assert.deepEqual(folder.names, ['s/', 's/keep/', 's/keep/f.log']);
  const again = taken(root, { sources: ['s'], excludes: ['*', '!keep/', '*.log'] });
  assert.deepEqual(again.names, ['s/', 's/keep/']);
  const inFolder = taken(root, { sources: ['s'], excludes: ['sub', '!s/sub/c.txt'] });
  assert.deepEqual(inFolder.names.slice(-2), ['s/sub/', 's/sub/c.txt']);
});

test('a scan that goes on behind any entry takes the same, and counts the rest', (t) => {
  const files = [
    'a.txt',
    'a b.log',
    'a/x.log',
    'a/y.txt',
    'a-b/z.log',
    'c/d/e.txt',
    'c/d/f.log',
    'g.log',
    'h.txt',
  ];
  const root = treeOf(
    t,
    files.map((name) => `s/${name}`),
  );
  for (const excludes of [['*', '!*.txt'], ['*.log'], ['a', 'd/']]) {
    const whole = taken(root, { sources: ['s'], excludes });
    for (const [at, after] of whole.names.entries()) {
      const rest = taken(root, { sources: ['s'], excludes, after });
      assert.deepEqual(rest.names, whole.names.slice(at + 1), `${excludes.join(' ')} after ${after}`);
    }
  }
});

test('a folder that is tagged as a cache, or holds a name, is taken with that alone', (t) => {
  const tag = 'Signature: 8a477f597d28d172789f06886806bc55\n# a comment';
  const root = realpathSync(tempFolder(t));
  writeTree(root, {
    's/cache/CACHEDIR.TAG': tag,
    's/cache/data': 'x',
    's/cache/sub/data': 'x',
    's/false/CACHEDIR.TAG': tag.toLowerCase(),
    's/false/data': 'x',
    's/no/.nobackup': '',
    's/no/data': 'x',
    's/none/data': 'x',
  });
  mkdirSync(path.join(root, 's/linked'));
  symlinkSync('../cache/CACHEDIR.TAG', path.join(root, 's/linked/CACHEDIR.TAG'));
  writeFileSync(path.join(root, 's/linked/data'), 'x');
  const options: TakenOptions = { excludeCaches: true, excludeIfPresent: ['.nothing', '.nobackup'] };
  const { names, tally } = taken(root, { sources: ['s'], options });
  assert.deepEqual(names, [
    's/',
    's/cache/',
    's/cache/CACHEDIR.TAG',
    's/false/',
    's/false/CACHEDIR.TAG',
    's/false/data',
    's/linked/',
    's/linked/CACHEDIR.TAG',
    's/linked/data',
    's/no/',
    's/no/.nobackup',
    's/none/',
    's/none/data',
  ]);
  assert.deepEqual([tally.caches, tally.present], [1, [0, 1]]);
  for (const [at, after] of names.entries())
    assert.deepEqual(taken(root, { sources: ['s'], options, after }).names, names.slice(at + 1), after);
});

test('excludes on Windows are seen with its paths', () => {
  const means = (given: string, from = 'C:\\Users\\me') => {
    const rule = resolveExclude(given, {
      ...{ from, sources: ['C:\\Users\\me\\src', 'D:\\data'], platform: 'win32' as const },
      realpath: (at: string) => at,
    });
    return typeof rule === 'string' ? rule : [givenText(rule), ...rule.means];
  };
  assert.equal(means('node_modules'), 'node_modules');
  assert.deepEqual(means('src\\cache'), ['src\\cache', '/C/Users/me/src/cache']);
  assert.deepEqual(means('.\\src\\cache\\'), ['.\\src\\cache\\', '/C/Users/me/src/cache/']);
  assert.deepEqual(means('d:/data\\*.tmp'), ['d:/data\\*.tmp', '/D/data/*.tmp']);
  assert.deepEqual(means('a/b'), ['a/b', '/C/Users/me/src/a/b', '/D/data/a/b']);
  assert.deepEqual(means('\\\\server\\share\\x'), ['\\\\server\\share\\x', '/UNC/server/share/x']);
  assert.deepEqual(means('C:/*'), ['C:/*', '/C/*']);
});
