import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, linkSync, mkdirSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { Command } from 'commander';
import { scanSources } from '../../activities/set/scan-sources.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import { openSet } from '../../catalog/sets/open-set.js';
import type { NewSet } from '../../catalog/sets/set-differences.js';
import { tallyOf } from '../../catalog/sets/scan-state.js';
import { listOf } from '../../catalog/sets/set-lists.js';
import { setNamed } from '../../catalog/sets/sets.js';
import { summarizeSet } from '../../catalog/sets/set-summary.js';
import { backupArguments, type BackupFlags } from '../../client/commands/set/backup-arguments.js';
import { plannedBackup } from '../../client/commands/set/plan-backup.js';
import { leftOutLines, uselessExcludes } from '../../client/print/excluded.js';
import { loadSettings } from '../../config/settings/load-settings.js';
import { TapeflowFailure } from '../../config/failures.js';
import { fromBytes } from '../../entry/byte-string.js';
import { givenText } from '../../entry/excludes.js';
import { missingAttributesReason } from '../../native/addon.js';
import { snapshotOptions } from '../../operations/sets/set-options.js';
import { GroupPlanner } from '../../source/group-planner.js';
import { requireSources } from '../../source/require-sources.js';
import { resolveTaken } from '../../source/taken/resolve-taken.js';
import { walk } from '../../source/walk.js';
import { defaultReserve } from '../../tape/drives/drive.js';
import { tapesNeeded } from '../../tape/requirements/tapes-needed.js';
import { insertTape } from '../../catalog/tapes/tapes.js';
import { Installation } from '../support/installation.js';
import { tapeRow } from '../support/tape-rows.js';
import { setsInProcess } from '../support/sets-in-process.js';
import { mountPoint, tempFolder, writeTree } from '../support/trees.js';

/** The arguments of a `backup` as they are typed. */
function typed(words: readonly string[]): { paths: string[]; flags: BackupFlags } {
  let found: { paths: string[]; flags: BackupFlags } | undefined;
  backupArguments(new Command('backup'))
    .exitOverride()
    .action((paths: string[], flags: BackupFlags) => void (found = { paths, flags }))
    .parse([...words], { from: 'user' });
  assert.ok(found);
  return found;
}

/** What a `backup` asks of the catalog, from a folder where its user stands. */
function wantedFrom(from: string, words: readonly string[]): NewSet & { taken: object } {
  const settings = loadSettings({}, from);
  const before = process.env['INIT_CWD'];
  process.env['INIT_CWD'] = from;
  try {
    const { paths, flags } = typed(words);
    const { paths: sources, request, ...planned } = plannedBackup(settings, paths, flags);
    return { ...planned, ...resolveTaken(request, sources), options: snapshotOptions(settings) };
  } finally {
    if (before === undefined) delete process.env['INIT_CWD'];
    else process.env['INIT_CWD'] = before;
  }
}

function treeOf(t: TestContext, names: string[]): string {
  const root = realpathSync(tempFolder(t));
  writeTree(root, Object.fromEntries(names.map((name) => [name, name])));
  return root;
}

/** Opens a set and scans it; what is in it, below the root. */
/** The summary of a set. What is left out everywhere without the native part is another test's subject. */
async function summaryOf(catalog: Catalog, setId: string) {
  const summary = await summarizeSet(catalog, setId);
  const missing = missingAttributesReason();
  const leftOut = summary.leftOut.filter((what) => missing === undefined || !what.includes(missing));
  return { ...summary, leftOut };
}

async function scanned(t: TestContext, root: string, words: readonly string[]) {
  const { catalog, deps, attempt } = await setsInProcess(t);
  const { set } = await openSet(catalog, wantedFrom(root, words), { fresh: true });
  await attempt(() => scanSources(deps, set.id));
  const rows = await catalog.selectFrom('files').select(['path', 'reason']).orderBy('path').execute();
  const named = rows.map(({ path: at, reason }) => ({
    name: path.posix.relative(root.slice(1), fromBytes(at)) + (fromBytes(at).endsWith('/') ? '/' : ''),
    reason,
  }));
  return {
    names: named.map(({ name }) => name),
    named,
    summary: await summaryOf(catalog, set.id),
    catalog,
  };
}

test('each exclude tells how many entries it took, and one that took none is a warning', async (t) => {
  const root = treeOf(t, [
    's/a.log',
    's/b.log',
    's/cache/x',
    's/cache/y',
    's/text',
    's/no/.nobackup',
    's/no/x',
  ]);
  writeFileSync(path.join(root, 'list'), '# a comment\n\n./s/cache\r\n!b.*\n');
  const words = ['s', '--exclude', '*.log', '--exclude-from', 'list', '--exclude', 's/cahce'];
  const { names, summary } = await scanned(t, root, [...words, '--exclude-if-present', '.nobackup']);
  assert.deepEqual(names, ['s/', 's/b.log', 's/no/', 's/no/.nobackup', 's/text']);
  const counts = summary.excludes.map(({ option, value, entries }) => [option, value, entries]);
  // Something may be kept in `cache`, so that it is looked through.
  assert.deepEqual(counts, [
    ['--exclude', '*.log', 1],
    ['--exclude', './s/cache', 3],
    ['--exclude', '!b.*', 1],
    ['--exclude', 's/cahce', 0],
    ['--exclude-if-present', '.nobackup', 1],
  ]);
  assert.deepEqual(leftOutLines(summary, 'Left out:'), [
    '  Left out: --exclude *.log: 1 entry',
    '  Left out: --exclude ./s/cache: 3 entries',
    '  Left out: --exclude !b.*: kept 1 entry',
    '  Left out: --exclude-if-present .nobackup: what is in 1 folder',
  ]);
  assert.deepEqual(uselessExcludes(summary), [`--exclude s/cahce took nothing; it means ${root}/s/cahce.`]);
});

test('a scan that is taken up by another worker takes the same and has counted the same', async (t) => {
  const root = treeOf(t, ['s/a.log', 's/b', 's/c.log', 's/d/e.log', 's/d/f', 's/g.log', 's/h', 'other']);
  mkdirSync(path.join(root, 's/cache'));
  writeFileSync(path.join(root, 's/cache/CACHEDIR.TAG'), 'Signature: 8a477f597d28d172789f06886806bc55');
  writeFileSync(path.join(root, 'list'), `${root}/s\nother\nother/\n./gone\n`);
  const server = net.createServer().listen(path.join(root, 's/e.socket'));
  t.after(() => server.close());
  await once(server, 'listening');
  const words = ['--files-from', 'list', '--exclude', '*.log', '--exclude-caches'];
  const { catalog, deps, attempt } = await setsInProcess(t);
  const wanted = wantedFrom(root, words);
  const limits = { groupBytes: 1e9, groupFiles: 1000, stagingBytes: 1e9, direct: false, tapeBytes: 1e12 };
  const results = new Set<string>();
  for (let stop = 1; stop <= 9; stop += 1) {
    const { set } = await openSet(catalog, wanted, { fresh: true });
    const tally = tallyOf(set);
    const { planner } = await GroupPlanner.resume(catalog, set.id, limits, { tally });
    const [listed, taken] = [[`${root}/gone`, `${root}/other`, `${root}/s`], wanted.taken];
    const options = {
      sources: [],
      excludes: wanted.excludes,
      options: taken,
      ownFolders: [],
      after: undefined,
    };
    const names = listed.map((name) => name.slice(1));
    let left = stop;
    for (const entry of walk({ ...options, listed: names, tally, onLeftOut: () => undefined })) {
      await planner.add(entry);
      if ((left -= 1) <= 0) break;
    }
    await planner.flush();
    await attempt(() => scanSources(deps, set.id));
    const rows = await catalog
      .selectFrom('files')
      .select('path')
      .where('set_id', '=', set.id)
      .orderBy('path')
      .execute();
    const { excludes, leftOut } = await summaryOf(catalog, set.id);
    results.add(JSON.stringify([rows.map((row) => fromBytes(row.path)), excludes, leftOut]));
    assert.equal(await listOf(catalog, set.id), undefined, 'it is needed no more');
  }
  const [only = '', ...others] = results;
  assert.deepEqual(others, []);
  assert.match(
    only,
    /"value":"\*\.log","entries":4\},\{"option":"--exclude-caches","value":"","entries":1\}/,
  );
  assert.match(only, /\/s\/e\.socket \(a socket: its program makes it anew\)"\]/);
});

test('what a list names is taken as it is, and what is not there is named', async (t) => {
  const root = treeOf(t, ['a/x', 'a/y', 'b/[z]', 'b/z', 'c', 'd/e']);
  symlinkSync('a', path.join(root, 'link'));
  writeFileSync(Buffer.from(`${root}/odd\xff\n`, 'latin1'), 'odd');
  const paths = ['a', 'a/x', 'b/[z]', 'link', 'link/y', './c', `${root}/d//e`, 'gone', 'odd\xff\n'];
  writeFileSync(path.join(root, 'list'), Buffer.from(paths.join('\0'), 'latin1'));
  const { names, named, summary } = await scanned(t, root, ['--files-from0', 'list']);
  assert.deepEqual(names, ['a/', 'a/x', 'a/y', 'b/[z]', 'c', 'd/e', 'gone', 'link', 'odd\xff\n']);
  assert.match(named.find(({ name }) => name === 'gone')?.reason ?? '', /cannot be looked at: .*ENOENT/);
  assert.deepEqual([summary.sources, summary.skipped], [[path.join(root, 'list')], 1]);
});

test('a backup attaches to a set only when the set takes the same', async (t) => {
  const root = treeOf(t, ['s/a', 's/b', 's/sub/s/c']);
  const { catalog } = await setsInProcess(t);
  writeFileSync(path.join(root, 'list'), 's/a\n');
  const open = (words: string[], from = root) => openSet(catalog, wantedFrom(from, words), { fresh: false });
  const first = await open(['s', '--exclude', 's/c', '--exclude', '*.o']);
  const same = await open(
    [path.join(root, 's'), '--exclude', 's/c', '--exclude', '*.o'],
    path.join(root, 's/sub'),
  );
  assert.equal(same.attached, false);
  assert.match(same.others[0]?.differs.join() ?? '', /^its exclude s\/c is another one and means .*\/s\/c$/);
  for (const [words, differs] of [
    [
      ['--one-file-system'],
      /^it leaves out s\/c \*\.o, not nothing,it takes what is mounted in its sources too$/,
    ],
    [['--exclude-caches'], /,it takes caches too$/],
    [['--exclude-if-present', '.no'], /,it leaves out folders that hold something, not \.no$/],
  ] as const) {
    const opened = await open(['s', ...words]);
    assert.equal(opened.attached, false);
    assert.match(opened.others.find(({ id }) => id === first.set.id)?.differs.join() ?? '', differs);
    assert.equal((await open(['s', ...words])).set.id, opened.set.id);
  }
  const listed = await open(['--files-from', 'list']);
  assert.equal((await open(['--files-from', 'list'])).attached, true);
  writeFileSync(path.join(root, 'list'), 's/a\ns/b\n');
  const other = await open(['--files-from', 'list']);
  assert.equal(other.attached, false);
  assert.deepEqual(other.others, [{ id: listed.set.id, differs: [`the list ${root}/list had other paths`] }]);
  assert.equal((await setNamed(catalog, listed.set.id)).taken?.includes('"paths":1'), true);
});

test('an exclude or a mark that takes a whole source is refused before anything is written', async (t) => {
  const root = treeOf(t, ['build/app/x', 'tagged/.nobackup', 'alone']);
  symlinkSync('build/app', path.join(root, 'link'));
  const settings = loadSettings({}, root);
  const check = async (words: string[]) => {
    const { sources, excludes, taken } = wantedFrom(root, words);
    await requireSources(settings, sources, excludes, undefined, taken);
  };
  const refused: [string[], RegExp][] = [
    [['build/app', '--exclude', '*'], /^The exclude \* takes the whole source .*\/build\/app\. Nothing was/],
    [['build/app', '--exclude', '**'], /exclude \*\* takes/],
    [['build/app', '--exclude', 'app'], /exclude app takes/],
    [['build/app', '--exclude', './build/app/'], /takes the whole source/],
    [['link', '--exclude', './link'], /exclude \.\/link takes the whole source .*\/build\/app/],
    [['build/app', '--exclude', 'build/*'], /takes the whole source/],
    [['build/app', '--exclude', 'build/app/**'], /takes the whole source/],
    [['build/app', '--exclude', `${root}/build/app/*`], /takes the whole source/],
    [['build/app', '--exclude', '!x', '--exclude', '*'], /takes the whole source/],
    [['build', 'alone', '--exclude', 'alone'], /takes the whole source .*\/alone/],
    [['tagged', '--exclude-if-present', '.nobackup'], /holds \.nobackup, so that --exclude-if-present/],
  ];
  for (const [words, sentence] of refused)
    await assert.rejects(
      check(words),
      (error) =>
        error instanceof TapeflowFailure &&
        error.code === 'AllExcluded' &&
        error.kind === 'usage' &&
        sentence.test(error.sentence),
      words.join(' '),
    );
  for (const words of [
    ['build/app', '--exclude', 'build'],
    ['build/app', '--exclude', `${root}/build`],
    ['build/app', '--exclude', '*', '--exclude', '!*.txt'],
    ['build/app', '--exclude', 'x'],
    ['build', '--exclude', 'build/app'],
    ['tagged', '--exclude-caches'],
  ])
    await check(words);
});

test(
  'a folder of a pseudo file system is refused as a source, and a file in it is taken',
  { skip: process.platform !== 'linux' && 'only Linux has them' },
  async (t) => {
    const settings = loadSettings({}, tempFolder(t));
    await assert.rejects(requireSources(settings, ['/proc/sys'], []), {
      code: 'SourceIsPseudo',
      kind: 'usage',
      message: 'The source /proc/sys lies in a pseudo file system, whose folders are never taken.',
    });
    await requireSources(settings, ['/proc/version'], []);
  },
);

test('what cannot be meant is refused with a sentence that says where it stands', (t) => {
  const root = treeOf(t, ['s/a']);
  writeFileSync(path.join(root, 'globs'), '*.log\n# no\na[\n');
  writeFileSync(path.join(root, 'lines'), 's/a\n');
  writeFileSync(path.join(root, 'empty'), '\n\n');
  writeFileSync(path.join(root, 'nowhere'), 'x\ny\n');
  const cases: [string[], RegExp][] = [
    [[], /Nothing is given to back up/],
    [['s', '--exclude-from', 'globs'], /\/globs:3 cannot be "a\[": a \[ in it is not closed/],
    [['s', '--exclude-from', 'none'], /The file .*\/none of --exclude-from does not exist/],
    [['s', '--exclude', '!'], /--exclude cannot be "!": it is empty/],
    [['s', '--exclude', '*/../x'], /has a \.\. behind a wildcard/],
    [['--files-from', 'none'], /The file .*\/none of --files-from does not exist/],
    [['--files-from0', 'lines'], /has no NUL in it/],
    [['--files-from', 'empty'], /The list .*\/empty is empty/],
    [['--files-from', 'nowhere'], /names nothing that exists, such as .*\/x/],
    [['--files-from', 'lines', '--files-from0', 'lines'], /Both --files-from and --files-from0/],
    [['--files-from', 'lines', '--exclude', 'a'], /excludes take everything that the list/],
    [['s', '--exclude-if-present', 'a/b'], /--exclude-if-present cannot be "a\/b"/],
  ];
  for (const [words, sentence] of cases)
    assert.throws(
      () => wantedFrom(root, words),
      (error) => error instanceof TapeflowFailure && error.kind === 'usage' && sentence.test(error.sentence),
      words.join(' '),
    );
  // The order of both options counts.
  const { excludes } = wantedFrom(root, ['s', '--exclude', 'z', '--exclude-from', 'lines', '--exclude', 'y']);
  assert.deepEqual(excludes.map(givenText), ['z', 's/a', 'y']);
});

test('a set that stays on one file system takes the folder of a mount, no file that is mounted, and names them', async (t) => {
  const root = treeOf(t, ['s/a']);
  const at = mountPoint(t);
  const mount = (where: string) => execFileSync('mount', ['-t', 'tmpfs', 'none', where], { stdio: 'ignore' });
  try {
    mount(at);
  } catch {
    return t.skip('nothing can be mounted here');
  }
  mkdirSync(path.join(at, 'below/mounted'), { recursive: true });
  writeFileSync(path.join(at, 'z'), 'z');
  mount(path.join(at, 'below/mounted'));
  writeFileSync(path.join(at, 'below/mounted/x'), 'x');
  const [file, name] = [path.join(root, 's/a'), 'a \\file'];
  writeFileSync(path.join(at, name), '');
  execFileSync('mount', ['--bind', file, path.join(at, name)]);
  const all = await scanned(t, at, [at, path.join(root, 's')]);
  assert.equal(all.names.filter((name) => /mounted\/x$|a .file$/.test(name)).length, 2);
  const { names, summary } = await scanned(t, at, [at, path.join(root, 's'), '--one-file-system']);
  assert.deepEqual(
    names.filter((name) => !name.startsWith('..')),
    ['/', 'below/', 'below/mounted/', 'z'],
  );
  assert.deepEqual(summary.leftOut, [
    `${at}/a \\\\file (is another file system)`,
    `${at}/below/mounted/ (is another file system)`,
  ]);
});

test('a set that stays on one file system takes the files of every layer of an overlay', async (t) => {
  const at = mountPoint(t);
  try {
    execFileSync('mount', ['-t', 'tmpfs', 'none', at], { stdio: 'ignore' });
    writeTree(at, { 'lower/folder/file': 'below' });
    for (const name of ['other', 'seen']) mkdirSync(path.join(at, name));
    execFileSync('mount', ['-t', 'tmpfs', 'none', path.join(at, 'other')], { stdio: 'ignore' });
    for (const name of ['up', 'work']) mkdirSync(path.join(at, 'other', name));
    const layers = `lowerdir=${at}/lower,upperdir=${at}/other/up,workdir=${at}/other/work`;
    execFileSync('mount', ['-t', 'overlay', 'none', '-o', layers, `${at}/seen`], { stdio: 'ignore' });
  } catch {
    return t.skip('no overlay can be mounted here');
  }
  const { names, summary } = await scanned(t, `${at}/seen`, [`${at}/seen`, '--one-file-system']);
  assert.deepEqual(names, ['/', 'folder/', 'folder/file']);
  assert.deepEqual(summary.leftOut, []);
});

test('a dry run says what would be stored, how much, and on how many tapes, and writes nothing', async (t) => {
  const root = treeOf(t, ['s/a.log', 's/b', 's/sub/c']);
  linkSync(path.join(root, 's/b'), path.join(root, 's/b2'));
  const installation = await Installation.make(t);
  const words = ['backup', path.join(root, 's'), '--exclude', '*.log', '--exclude', 'x.log', '--dry-run'];
  const { code, stdout, stderr } = await installation.run(words);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^Nothing is stored: this is what a set would do \(full\)\.$/m);
  assert.match(stdout, /^ {2}5 entries, \d+ B in 1 archive, before compression$/m);
  assert.match(stdout, /^ {2}No tape of pool default is known, so it cannot be said how many are needed\.$/m);
  assert.match(stdout, /^ {2}Left out: --exclude \*\.log: 1 entry$/m);
  assert.match(stdout, /^ {2}Warning: --exclude x\.log took nothing\.$/m);
  const json = await installation.run([...words, '--json']);
  const lines = json.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.deepEqual(
    lines.slice(0, -1).map(({ path: at }) => path.relative(root, String(at))),
    ['s', 's/b', 's/b2', 's/sub', 's/sub/c'],
  );
  const { dryRun, entries, bytes, archives } = lines.at(-1) ?? {};
  assert.deepEqual(
    { dryRun, entries, bytes, archives },
    { dryRun: true, entries: 5, bytes: 10, archives: 1 },
  );
  const refused = await installation.run(['backup', path.join(root, 's'), '--exclude', '*', '--dry-run']);
  assert.deepEqual([refused.code, /takes the whole source/.test(refused.stderr)], [2, true]);
  assert.equal(existsSync(path.join(installation.dataDir, 'catalog.db')), false);
});

test('archives go to the tapes with most room first, and then to empty ones', async (t) => {
  const { catalog } = await setsInProcess(t);
  const [capacity, reserve] = [1e12, defaultReserve(1e12)];
  for (const [name, free] of [
    ['A1', 3e11],
    ['A2', 5e11],
    ['A3', 0],
  ] as const)
    await insertTape(catalog, { ...tapeRow(name, name, 'A'), capacity, free });
  const needed = (bytes: number) => tapesNeeded(catalog, 'A', bytes);
  assert.deepEqual(await needed(5e11 - reserve), { pool: 'A', names: ['A2'], more: 0 });
  assert.deepEqual(await needed(5e11), { pool: 'A', names: ['A2', 'A1'], more: 0 });
  assert.deepEqual(await needed(2.2e12), { pool: 'A', names: ['A2', 'A1'], more: 2 });
  assert.deepEqual(await tapesNeeded(catalog, 'B', 1), { pool: 'B', names: [], more: undefined });
});
