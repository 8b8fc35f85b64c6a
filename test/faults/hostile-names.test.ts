import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, lstatSync, mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { readManifest } from '../../archive/manifest/read-manifest.js';
import { writeDeepTree, writeHostileTree, deepTempFolder } from '../support/hostile-tree.js';
import { Installation } from '../support/installation.js';
import { archivesOn, assertSameTree, describeTree, noise, untar, longTest } from '../support/trees.js';

interface Row {
  path: string;
  pathBase64?: string;
  type?: string;
  target?: string;
  targetBase64?: string;
  state: string;
  reason: string | null;
}

const python = { env: { ...process.env, LC_ALL: 'C.UTF-8' } };

test('hostile names survive byte for byte in catalog, manifest and archive, whoever reads it, and paths of any length too', async (t) => {
  const base = deepTempFolder(t);
  const source = path.join(base, `so "u'r\\ce\n\x1b[7m -é`);
  writeHostileTree(source);
  const deep = path.join(source, 'deep');
  mkdirSync(deep);
  writeDeepTree(deep);
  const special = await specialFiles(t, source);
  const installation = await Installation.make(t);
  const { code, stdout, stderr } = await installation.run(['backup', source]);
  assert.equal(code, 0, stdout + stderr);
  isSafeForTerminals(stdout);
  const setId = /Set (\d{4}-\d\d_\d{6}): completed/.exec(stdout)?.[1] ?? '';
  await installation.quiet();

  const rows = await jsonLines<Row>(installation, ['ls', setId]);
  for (const [name, kind] of Object.entries(special))
    assert.equal(rows.find((row) => exactName(row) === bytesOf(path.join(source, name)))?.type, kind);
  assert.deepEqual(
    rows.filter((row) => row.state === 'skipped'),
    [],
  );
  // Of the socket only that it was there.
  assert.match(stdout, /Left out: .*a socket \(a socket: its program makes it anew\)/);

  // The catalog's names are the tree's. Below `deep` the tree itself cannot be listed with whole paths.
  const inTree = namesOf(source);
  const inCatalog = rows
    .filter((row) => row.state !== 'skipped')
    .map((row) => exactName(row).replace(/\/$/, ''))
    .filter((name) => name.startsWith(bytesOf(`${source}/`)) && !name.startsWith(bytesOf(`${deep}/`)));
  assert.deepEqual(inCatalog.map((name) => name.slice(bytesOf(source).length + 1)).sort(), inTree);

  const [archive = ''] = archivesOn(installation.tapeDir, setId);
  const members: string[] = [];
  for await (const line of readManifest(archive.replace('.tar.gz', '.manifest.jsonl.gz')))
    if (line.kind === 'member') members.push(line.member.name);
  assert.deepEqual(
    members.map((name) => `/${name}`).sort(),
    rows
      .filter((row) => row.state === 'packed')
      .map(exactName)
      .sort(),
  );
  readersAgree(t, archive, source, members);

  await shownNamesCanBeToldBack(installation, setId, source);
});

/** Everything in a source that is no file, folder or link; name to type, but for a socket. */
async function specialFiles(t: TestContext, folder: string): Promise<Record<string, string>> {
  const made: Record<string, string> = { '\x01 pipe': 'fifo' };
  execFileSync('mkfifo', [path.join(folder, '\x01 pipe')]);
  const server = net.createServer();
  await new Promise<void>((resolve) => {
    // The system takes 108 bytes at most for the path of a socket.
    const cwd = process.cwd();
    process.chdir(folder);
    server.listen('a socket', resolve);
    process.chdir(cwd);
  });
  t.after(() => server.close());
  if (process.getuid?.() !== 0) return made;
  execFileSync('mknod', [path.join(folder, 'null'), 'c', '1', '3']);
  execFileSync('mknod', [path.join(folder, 'disk'), 'b', '7', '99']);
  return { ...made, null: 'character', disk: 'block' };
}

const bytesOf = (text: string) => Buffer.from(text).toString('latin1');

/** The exact bytes of a name in JSON. */
function exactName(row: Row): string {
  return row.pathBase64 === undefined
    ? bytesOf(row.path)
    : Buffer.from(row.pathBase64, 'base64').toString('latin1');
}

/** Names of a tree without its sockets and what is below `deep/`, by `find`, which nobody here has written. */
function namesOf(root: string): string[] {
  const args = [
    '.',
    '-mindepth',
    '1',
    '-path',
    './deep/*',
    '-prune',
    '-o',
    '(',
    '-type',
    'f',
    '-o',
    '-type',
    'd',
    '-o',
    '-type',
    'l',
    '-o',
    '-type',
    'p',
    '-o',
    '-type',
    'b',
    '-o',
    '-type',
    'c',
    ')',
  ];
  const listed = execFileSync('find', [...args, '-printf', '%P\\0'], { cwd: root, encoding: 'latin1' });
  return listed
    .split('\0')
    .filter((name) => name !== '')
    .sort();
}

async function jsonLines<Line>(installation: Installation, args: string[]): Promise<Line[]> {
  const { stdout, stderr } = await installation.run([...args, '--json']);
  assert.equal(stderr, '');
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
}

/** No control character but the ends of the lines. */
function isSafeForTerminals(text: string): void {
  // eslint-disable-next-line no-control-regex -- these are looked for
  assert.doesNotMatch(text, /[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\ufeff]/);
}

/** GNU tar, bsdtar and Python bring the tree back; 7-Zip at least reads the archive and its ordinary names. */
function readersAgree(t: TestContext, archive: string, source: string, members: string[]): void {
  const exclude = ['--exclude', '*/deep/d*'];
  const gnu = deepTempFolder(t);
  execFileSync('tar', ['xzpf', archive, '-C', gnu, ...exclude]);
  const wanted = withoutDeep(source);
  assert.deepEqual(withoutDeep(path.join(gnu, source)), wanted);
  const within = members.find((name) => name.endsWith(`/${'e'.repeat(10)}`)) ?? '';
  const longest = members.reduce((a, b) => (a.length > b.length ? a : b));
  assert.ok(longest.length > 4096 && longest.endsWith('/below'));
  const list = path.join(gnu, 'names');
  writeFileSync(list, Buffer.from(`${within}\0${longest}\0`, 'latin1'));
  assert.equal(
    execFileSync('tar', ['xzOf', archive, '--null', '--no-unquote', '-T', list], { encoding: 'utf8' }),
    'withinout of reach',
  );

  if (spawnSync('bsdtar', ['--version']).status === 0) {
    const bsd = deepTempFolder(t);
    execFileSync('bsdtar', ['xpf', archive, '-C', bsd, ...exclude], python);
    assert.deepEqual(withoutDeep(path.join(bsd, source)), wanted);
  }
  const script = [
    'import sys, tarfile, json',
    'with tarfile.open(sys.argv[1]) as a:',
    '  print(json.dumps([m.name.encode("utf-8", "surrogateescape").hex() + ("2f" if m.isdir() else "") for m in a]))',
  ];
  const listed = execFileSync('python3', ['-c', script.join('\n'), archive], { ...python, encoding: 'utf8' });
  assert.deepEqual(
    (JSON.parse(listed) as string[]).map((hex) => Buffer.from(hex, 'hex').toString('latin1')).sort(),
    [...members].sort(),
  );
  if (spawnSync('7z', ['i']).status === 0) {
    const tar = execFileSync('7z', ['x', '-so', archive], { maxBuffer: 1 << 28 });
    const plain = path.join(gnu, 'plain.tar');
    writeFileSync(plain, tar);
    const names = execFileSync('7z', ['l', '-slt', plain], {
      encoding: 'utf8',
      maxBuffer: 1 << 26,
      ...python,
    });
    for (const name of ['files/CASE', 'files/case', 'files/x.part', 'files/名前'])
      assert.match(names, new RegExp(`^Path = .*/${name}$`, 'm'));
  }
}

/** A tree but for what is below `deep`, whose whole paths are too long to look at from elsewhere. */
function withoutDeep(root: string): Record<string, unknown> {
  const deep = path.join(root, 'deep');
  execFileSync('find', [deep, '-mindepth', '1', '-maxdepth', '1', '-exec', 'chmod', '0', '{}', '+']);
  const all = existsSync(deep) ? describeTreeWithoutBelow(root) : {};
  execFileSync('find', [deep, '-mindepth', '1', '-maxdepth', '1', '-exec', 'chmod', '755', '{}', '+']);
  return all;
}

function describeTreeWithoutBelow(root: string): Record<string, unknown> {
  const moved = `${root}-deep`;
  execFileSync('mv', [path.join(root, 'deep'), moved]);
  try {
    return describeTree(root);
  } finally {
    execFileSync('mv', [moved, path.join(root, 'deep')]);
  }
}

/** What `ls` and `find` print can be given to `ls` and `trace`; every name is one line. */
async function shownNamesCanBeToldBack(
  installation: Installation,
  setId: string,
  source: string,
): Promise<void> {
  const listed = await installation.run(['ls', setId, path.join(source, 'files')]);
  isSafeForTerminals(listed.stdout);
  const lines = listed.stdout.trimEnd().split('\n');
  assert.equal(new Set(lines.map((line) => line.slice(line.indexOf('/')))).size, lines.length);
  const shown = lines.find((line) => line.endsWith('/files/\\xff\\xfe')) ?? '';
  for (const args of [['ls', setId], ['trace']]) {
    const name = shown.slice(shown.indexOf('/'));
    const found = await installation.run([...args, name, '--json']);
    assert.equal(found.code, 0, found.stderr);
    assert.match(found.stdout, new RegExp(Buffer.from(`${source}/files/`).toString('base64').slice(0, 40)));
  }
  // A source file that is called like an archive of ours is traced as the file that it is.
  const own = await installation.run([
    'trace',
    path.join(source, 'files/backup_2026-11_000001_000001.tar.gz'),
  ]);
  assert.equal(own.code, 0, own.stderr);
  assert.match(own.stdout, /files\/backup_2026-11_000001_000001\.tar\.gz in set .*: packed/);
  const found = await jsonLines<Row>(installation, ['find', `\\xff*`]).catch(() => []);
  assert.equal(found.length, 0, 'escapes are no part of globs');
  const bad = await jsonLines<Row>(installation, ['find', 'bad-?']);
  assert.equal(exactName(bad[0] ?? { path: '', state: '', reason: '' }).slice(-5), 'bad-\xc3');
  isSafeForTerminals((await installation.run(['sets'])).stdout);
  isSafeForTerminals((await installation.run(['status', setId])).stdout);

  const lost = await installation.run(['backup', '/tmp/\ufffd']);
  assert.equal(lost.code, 2);
  assert.match(lost.stderr, /not valid UTF-8.*Give the folder above it/);
  const exclude = await installation.run(['backup', '/tmp', '--exclude', 'a\ufffd']);
  assert.equal(exclude.code, 2);
  assert.match(exclude.stderr, /--exclude: the exclude a\ufffd is not valid UTF-8/);
}

test(
  'extreme times, modes, owners and sizes come back exactly; an impossible size is listed',
  { skip: longTest },
  async (t) => {
    if (process.getuid?.() !== 0) return t.skip('needs root, to give files away');
    // tmpfs takes times that other file systems do not.
    const shm = existsSync('/dev/shm') ? '/dev/shm' : undefined;
    const source = deepTempFolder(t, shm);
    const target = deepTempFolder(t, shm);
    const times = [
      '-1.5',
      '-2',
      '-0.000000001',
      '0',
      '1700000000.9995',
      '1700000000.999999999',
      '8589934591',
      '8589934592',
    ];
    for (const time of [...times, '253402300799.5', '253402300800', '8639999999999.25']) {
      const file = path.join(source, `t${time}`);
      writeFileSync(file, time);
      execFileSync('touch', ['-d', `@${time}`, file]);
    }
    const raw = Buffer.from(`${source}/\xff raw`, 'latin1');
    writeFileSync(raw, 'raw');
    execFileSync('python3', [
      '-c',
      'import os,sys; os.utime(os.fsencode(sys.argv[1]) + b"/\\xff raw", ns=(1, -1500000000))',
      source,
    ]);
    for (const mode of [0o0000, 0o7777, 0o4000, 0o1000]) {
      const file = path.join(source, `m${mode.toString(8)}`);
      writeFileSync(file, '');
      chmodSync(file, mode);
    }
    for (const id of [2_097_151, 2_097_152, 4_294_967_294]) {
      writeFileSync(path.join(source, `u${id}`), '');
      chownSync(path.join(source, `u${id}`), id, id);
    }
    const mebi = 1 << 20;
    for (const size of [0, 1, 511, 512, 513, mebi - 512, mebi - 1, mebi, mebi + 1, 2 * mebi - 512])
      writeFileSync(path.join(source, `s${size}`), noise(size, String(size)));
    writeFileSync(path.join(source, 'holes'), 'begin');
    truncateSync(path.join(source, 'holes'), 60 * mebi);
    writeFileSync(path.join(source, 'holes'), 'end', { flag: 'a' });
    const farthest = path.join(source, 'farthest');
    writeFileSync(farthest, 'x');
    execFileSync('touch', ['-d', '@9223372036854775807', farthest]);
    const endless = path.join(source, 'zz-endless');
    writeFileSync(endless, '');
    if (spawnSync('truncate', ['-s', '7E', endless]).status !== 0)
      t.diagnostic('this file system takes no file of 7 EiB');

    const installation = await Installation.make(t);
    const result = await installation.json<{ setId: string; skipped: number; status: string }>([
      'backup',
      source,
    ]);
    const isEndless = lstatSync(endless).size > 1e18;
    assert.equal(result.status, isEndless ? 'completed_with_skips' : 'completed');
    const skipped = await installation.run(['ls', result.setId, '--skipped']);
    if (isEndless)
      assert.match(
        skipped.stdout,
        /^\S*zz-endless: the file is larger than any tape of pool default \(.*`tapeflow retry \S+`\n$/,
      );
    untar(archivesOn(installation.tapeDir, result.setId), target);
    execFileSync('rm', [endless]);
    // Beyond the year 275,760 there is no date; the time is the last that there is.
    const clamped = Number(lstatSync(farthest, { bigint: true }).mtimeNs / 1_000_000_000n);
    const restored = lstatSync(path.join(target, farthest), { bigint: true });
    const most = 8_640_000_000_000;
    assert.equal(Number(restored.mtimeNs / 1_000_000_000n), Math.max(-most, Math.min(clamped, most)));
    for (const root of [source, path.join(target, source)])
      execFileSync('rm', ['-f', path.join(root, 'farthest')]);
    assertSameTree(path.join(target, source), source, { folderTimes: false });
    const rows = await jsonLines<Row & { mtime: string }>(installation, ['ls', result.setId]);
    const [last = { mtime: '' }] = rows.filter((row) => row.path.endsWith('/t253402300800'));
    assert.equal(last.mtime, '+010000-01-01T00:00:00.000Z');
    assert.equal((await installation.run(['ls', result.setId])).code, 0);
    const [sparse] = archivesOn(installation.tapeDir, result.setId);
    assert.ok(lstatSync(sparse ?? '').size < 10 * mebi, 'holes take next to nothing');
    assert.equal(hashOf(path.join(target, source, 'holes')), hashOf(path.join(source, 'holes')));
  },
);

function hashOf(file: string): string {
  return execFileSync('sha256sum', [file], { encoding: 'utf8' }).slice(0, 64);
}
