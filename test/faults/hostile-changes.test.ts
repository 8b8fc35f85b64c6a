import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { readManifest } from '../../archive/manifest/read-manifest.js';
import type { PackedMember } from '../../entry/member.js';
import { projectDir } from '../../config/project-dir.js';
import { Installation, type Running } from '../support/installation.js';
import { archivesOn, longTest, noise, tempFolder, untar, writeTree } from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';

const settings = { MAX_GROUP_SIZE: '8MB', STAGING_MAX_BYTES: '8MB' };

/**
 * A set that stands still between scan and compress: the first group fills staging, and no tape is there to take it, so
 * the second one, `source/b`, is planned and not begun. `go` labels a tape and waits for the end.
 */
async function heldSet(t: TestContext, source: string) {
  // What sorts first in `b` does not fit the first group any more.
  writeTree(source, { 'a/hold': noise(7_500_000, 'hold'), 'b/-filler': noise(1_000_000, 'filler') });
  const tape = path.join(tempFolder(t), 'tape');
  const installation = await Installation.make(t, { ...settings, TAPE_PATH: tape });
  const backup: Running = installation.start(['backup', source]);
  await waitFor(
    () =>
      installation.tryQuery(`select 1 from groups where no = 1 and state = 'queued'`).length === 1 &&
      installation.query('select 1 from sets where scanned = 1').length === 1,
    'the first group in final, and the end of the scan',
  );
  assert.deepEqual(
    installation.query('select state from groups where no > 1'),
    installation.query('select state from groups where no > 1').map(() => ({ state: 'planned' })),
  );
  const setId = installation.query<{ id: string }>('select id from sets')[0]?.id ?? '';
  return {
    installation,
    setId,
    tape,
    async go() {
      mkdirSync(tape);
      assert.equal((await installation.run(['tape', 'label', 'T1'])).code, 0);
      return backup.ended;
    },
  };
}

/** Reason of each entry that is skipped or flagged, by path relative to the source. */
function reasonsOf(installation: Installation, source: string, state: string): Record<string, string> {
  const rows = installation.query<{ path: Buffer; reason: string }>(
    'select path, reason from files where reason is not null and state = ?',
    state,
  );
  return Object.fromEntries(
    rows.map((row) => [`/${row.path.toString()}`.slice(source.length + 1), row.reason]),
  );
}

async function membersOf(archives: string[]): Promise<Map<string, PackedMember>> {
  const members = new Map<string, PackedMember>();
  for (const archive of archives) {
    for await (const line of readManifest(archive.replace('.tar.gz', '.manifest.jsonl.gz')))
      if (line.kind === 'member') members.set(path.basename(line.member.name), line.member);
  }
  return members;
}

test('what changes in every way between scan and compress is skipped or flagged, and nothing from elsewhere gets in', async (t) => {
  const source = tempFolder(t);
  const elsewhere = tempFolder(t);
  const target = tempFolder(t);
  const secret = 'not of this source';
  writeTree(elsewhere, { f1: secret, 'sub/f2': secret, one: secret });
  const b = path.join(source, 'b');
  writeTree(b, {
    ...{ appended: 'x', cut: 'long enough', touched: 'x', replaced: 'old', same: 'same' },
    ...{ vanished: 'x', 'became-folder': 'x', 'became-link': 'x', 'became-pipe': 'x' },
    ...{ 'swapped/f1': 'mine', 'swapped/sub/f2': 'mine', 'moved/one': 'mine', 'real/one': 'old' },
    ...{ 'gone/inner': 'x', 'to-file/inner': 'x' },
    'links/first': 'linked content',
  });
  linkSync(path.join(b, 'links/first'), path.join(b, 'links/second'));
  linkSync(path.join(b, 'links/first'), path.join(b, 'links/third'));
  writeTree(source, { 'a/early': 'early' });
  linkSync(path.join(source, 'a/early'), path.join(b, 'links/other-group'));
  linkSync(path.join(source, 'a/early'), path.join(b, 'links/replaced-link'));
  symlinkSync('same', path.join(b, 'retargeted'));
  symlinkSync('same', path.join(b, 'link-to-file'));
  const held = await heldSet(t, source);

  const old = lstatSync(path.join(b, 'touched'));
  appendFileSync(path.join(b, 'appended'), 'more');
  truncateSync(path.join(b, 'cut'), 4);
  utimesSync(path.join(b, 'touched'), old.atime, new Date(old.mtimeMs + 5000));
  for (const name of ['replaced', 'links/first', 'links/replaced-link']) {
    writeFileSync(path.join(b, `${name}.new`), `new ${name}`);
    renameSync(path.join(b, `${name}.new`), path.join(b, name));
  }
  for (const name of [
    'vanished',
    'became-folder',
    'became-link',
    'became-pipe',
    'retargeted',
    'link-to-file',
  ])
    rmSync(path.join(b, name));
  mkdirSync(path.join(b, 'became-folder'));
  symlinkSync(path.join(elsewhere, 'one'), path.join(b, 'became-link'));
  execFileSync('mkfifo', [path.join(b, 'became-pipe')]);
  symlinkSync('elsewhere', path.join(b, 'retargeted'));
  writeFileSync(path.join(b, 'link-to-file'), secret);
  for (const folder of ['swapped', 'gone', 'to-file', 'real'])
    rmSync(path.join(b, folder), { recursive: true });
  symlinkSync(elsewhere, path.join(b, 'swapped'));
  writeFileSync(path.join(b, 'to-file'), 'x');
  writeTree(b, { 'real/one': 'new and real' });
  const moved = path.join(elsewhere, 'moved');
  renameSync(path.join(b, 'moved'), moved);
  symlinkSync(moved, path.join(b, 'moved'));

  const { code, stdout } = await held.go();
  assert.equal(code, 3, stdout);
  const skipped = reasonsOf(held.installation, source, 'skipped');
  const expected: Record<string, RegExp> = {
    'b/vanished': /^vanished after the scan$/,
    'b/became-folder': /^became a folder after the scan$/,
    'b/became-link': /^became a symbolic link after the scan$/,
    'b/became-pipe': /^became a special file after the scan$/,
    'b/link-to-file': /^became a file after the scan$/,
    'b/swapped/': /^became a symbolic link after the scan$/,
    'b/swapped/f1': /^lies behind a symbolic link/,
    'b/swapped/sub/': /^lies behind a symbolic link/,
    'b/swapped/sub/f2': /^lies behind a symbolic link/,
    'b/moved/': /^became a symbolic link after the scan$/,
    'b/moved/one': /^lies behind a symbolic link/,
    'b/gone/': /^vanished after the scan$/,
    'b/gone/inner': /^vanished after the scan$/,
    'b/to-file/': /^became a file after the scan$/,
    'b/to-file/inner': /^vanished after the scan: a folder above it is none any more$/,
  };
  assert.deepEqual(Object.keys(skipped).sort(), Object.keys(expected).sort());
  for (const [name, reason] of Object.entries(expected)) assert.match(skipped[name] ?? '', reason, name);
  const flagged = reasonsOf(held.installation, source, 'packed');
  const newer = [
    'appended',
    'cut',
    'links/first',
    'links/replaced-link',
    'real/one',
    'replaced',
    'retargeted',
    'touched',
  ];
  assert.deepEqual(
    Object.keys(flagged).sort(),
    newer.map((name) => `b/${name}`),
  );
  for (const reason of Object.values(flagged))
    assert.match(reason, /^changed after the scan: stored as it was/);

  const archives = archivesOn(held.tape, held.setId);
  untar(archives, target);
  const there = path.join(target, b);
  for (const name of [
    'appended',
    'cut',
    'replaced',
    'same',
    'real/one',
    'links/first',
    'links/second',
    'links/third',
    'links/other-group',
    'links/replaced-link',
  ])
    assert.equal(
      readFileSync(path.join(there, name), 'utf8'),
      readFileSync(path.join(b, name), 'utf8'),
      name,
    );
  assert.equal(readlinkSync(path.join(there, 'retargeted')), 'elsewhere');
  assert.equal(spawnSync('grep', ['-r', secret, target]).status, 1, 'nothing from elsewhere');
  const members = await membersOf(archives);
  const early = `${source}/a/early`.slice(1);
  assert.equal(members.get('other-group')?.hardLinkOf, early);
  assert.equal(members.get('other-group')?.sha256, members.get('early')?.sha256);
  assert.equal(members.get('replaced-link')?.hardLinkOf, null, 'it is another file now');
  assert.deepEqual([members.get('second')?.type, members.get('third')?.type], ['file', 'link']);
  // The catalog has what was stored.
  const row = held.installation.query<{ size: number; link_target: Buffer | null; mtime_s: number }>(
    `select size, link_target, mtime_s from files where path in (?, ?, ?) order by path`,
    ...['appended', 'retargeted', 'touched'].map((name) => Buffer.from(path.join(b, name).slice(1))),
  );
  assert.equal(row[0]?.size, 5);
  assert.equal(row[1]?.link_target?.toString(), 'elsewhere');
  assert.equal(row[2]?.mtime_s, Math.floor(lstatSync(path.join(b, 'touched')).mtimeMs / 1000));
});

test('a file whose read fails is skipped, one that fails in its middle is padded and listed; the others are whole', async (t) => {
  if (spawnSync('strace', ['-V']).status !== 0) return t.skip('needs strace, to make a read fail');
  const source = tempFolder(t);
  const target = tempFolder(t);
  writeTree(source, {
    'b/before': 'before',
    // Too large for the native part, after which a small one is read again.
    'b/fails-at-once': noise(100_000, 'at once'),
    'b/fails-later': noise(3_500_000, 'later'),
    'b/then': noise(1_500_000, 'then'),
  });
  const held = await heldSet(t, source);
  const worker = (await held.installation.worker('archive')) ?? 0;
  // A read takes at most one block of 1 MiB. The first one fails, and so does the fourth: the third of the larger file,
  // when its first block is compressed already.
  await failReads(
    t,
    worker,
    { 'pread64,preadv': '1+3' },
    ['b/fails-at-once', 'b/fails-later'].map((name) => path.join(source, name)),
  );
  const { code, stdout } = await held.go();
  assert.equal(code, 3, stdout);
  assert.deepEqual(reasonsOf(held.installation, source, 'skipped'), {
    'b/fails-at-once': 'cannot be read: input/output error',
    'b/fails-later': 'shrank or could not be read to its end; zeros stand for the rest in the archive',
  });
  untar(archivesOn(held.tape, held.setId), target);
  for (const name of ['b/before', 'b/then', 'a/hold'])
    assert.deepEqual(
      readFileSync(path.join(target, source, name)),
      readFileSync(path.join(source, name)),
      name,
    );
});

/** Makes reads of some files by a running process fail with EIO; `when` counts those of some calls as strace does. */
async function failReads(
  t: TestContext,
  pid: number,
  when: Record<string, string>,
  files: string[],
): Promise<void> {
  const paths = files.flatMap((file) => ['-P', file]);
  const faults = Object.entries(when).flatMap(([calls, which]) => [
    '-e',
    `inject=${calls}:error=EIO:when=${which}`,
  ]);
  const args = ['-f', '-p', String(pid), ...paths, '-e', `trace=${Object.keys(when).join(',')}`, ...faults];
  const strace = spawn('strace', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  t.after(() => strace.kill('SIGKILL'));
  let said = '';
  strace.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  await waitFor(() => {
    if (strace.exitCode !== null) throw new Error(`strace ended: ${said}`);
    return said.includes('attached');
  }, 'strace to watch the worker');
}

test(
  'what its user may not read is listed with the reason, and the rest is backed up',
  { skip: longTest },
  async (t) => {
    if (process.getuid?.() !== 0 || spawnSync('setpriv', ['--version']).status !== 0)
      return t.skip('needs root and setpriv, to give up the right to read everything');
    const source = tempFolder(t);
    writeTree(source, { open: 'x', closed: 'x', 'locked/inner': 'x', 'blind/inner': 'x' });
    chmodSync(path.join(source, 'closed'), 0);
    chmodSync(path.join(source, 'locked'), 0o311);
    chmodSync(path.join(source, 'blind'), 0o644);
    const installation = await Installation.make(t);
    const rights = ['--bounding-set=-dac_override,-dac_read_search'];
    const { stdout, status } = spawnSync(
      'setpriv',
      [...rights, process.execPath, path.join(projectDir, 'bin', 'tapeflow.cjs'), 'backup', source],
      { env: { ...process.env, ...installation.env }, encoding: 'utf8' },
    );
    assert.equal(status, 3, stdout);
    assert.deepEqual(reasonsOf(installation, source, 'skipped'), {
      'blind/inner': 'cannot be looked at: permission denied (EACCES)',
      closed: 'cannot be read: permission denied',
      'locked/': 'cannot be listed, so its contents are not in the backup: permission denied (EACCES)',
    });
    assert.match(stdout, /closed: cannot be read: permission denied/);
  },
);
