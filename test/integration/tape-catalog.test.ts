import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { after, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import Database from 'better-sqlite3';
import { readHostFile } from '../../embedded/host-file.js';
import { encodeHeaders } from '../../archive/tar/tar-header.js';
import { describeAttributes, folderWithAttributes, writeAttributedTree } from '../support/attributed-tree.js';
import { Installation } from '../support/installation.js';
import { setsInProcess } from '../support/sets-in-process.js';
import { TapeDrive } from '../support/tape-drive.js';
import { archivesOn, assertSameTree, noise, tempFolder, writeTree } from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';

type Row = Record<string, unknown>;

interface Reading {
  tape: { uuid: string; name: string; state: string };
  sets: { setId: string; state: string; groups: number; missing: string[] }[];
  added: number;
  copy: number;
  known: number;
  refused: number;
  troubles: string[];
}

/** What a tape cannot tell: attempts, what a scan alone has seen, and moments of the flow. */
const unknowable = {
  sets: [
    'excludes',
    'taken',
    'tally',
    'holdings',
    'options',
    'left_out',
    'reason',
    'created_at',
    'finished_at',
    'direct',
    'drive',
    'asked_mode',
    'end_marked',
    'end_facts',
    'workflow_id',
  ],
  groups: ['token', 'direct'],
  archives: ['token', 'created_at'],
  files: [],
  copies: ['token', 'written_at', 'committed_at'],
};

/** Rows of the catalog without what no tape tells; of a skipped entry only its name and reason are on it. */
function rowsOf(file: string): Record<string, Row[]> {
  const database = new Database(file, { readonly: true, fileMustExist: true });
  try {
    const tables: Record<string, Row[]> = {};
    for (const [table, columns] of Object.entries(unknowable)) {
      const rows = database.prepare(`select * from ${table} order by 1, 2, 3`).all() as Row[];
      tables[table] = rows.map((row) => {
        for (const column of columns) delete row[column];
        if (table !== 'files' || row['state'] !== 'skipped' || row['tar_offset'] !== null) return row;
        const { set_id, path: name, group_no, state, reason } = row;
        return { set_id, path: name, group_no, state, reason };
      });
    }
    return tables;
  } finally {
    database.close();
  }
}

const catalogFile = (dataDir: string) => path.join(dataDir, 'catalog.db');

function oddTree(root: string): void {
  writeTree(root, {
    'a/plain': 'plain\n'.repeat(1000),
    'b/big': noise(2_500_000, 'big'),
    'b/empty': '',
    'b/Ünïcödé 名前': 'utf-8',
    'c/with\nnewline and space': 'odd',
    [`c/${'n'.repeat(255)}`]: 'as long as names can be',
    'y/one': noise(1_900_000, 'one'),
    'z/last': noise(1_900_000, 'last'),
  });
  writeFileSync(Buffer.from(`${root}/c/latin\xe9`, 'latin1'), 'no utf-8');
  linkSync(path.join(root, 'a/plain'), path.join(root, 'a/same-archive'));
  linkSync(path.join(root, 'a/plain'), path.join(root, 'z/other-archive'));
  linkSync(path.join(root, 'a/plain'), path.join(root, 'z/other-archive-again'));
  symlinkSync('/nowhere', path.join(root, 'b/dangling'));
  mkdirSync(path.join(root, 'nothing in it'), { mode: 0o1750 });
  execFileSync('mkfifo', [path.join(root, 'b/pipe')]);
  execFileSync('mknod', [path.join(root, 'b/device'), 'b', '259', '70000']);
}

test('a catalog that was lost is read from two tapes in reverse order, equal to what it was, and a restore from it is identical', async (t) => {
  if (process.getuid?.() !== 0) return t.skip('mounting needs root');
  const source = tempFolder(t);
  oddTree(source);
  const hasAttributes = !('skip' in folderWithAttributes(t));
  if (hasAttributes) writeAttributedTree(path.join(source, 'e'));
  const drive = new TapeDrive(t);
  const tapes = [drive.newTape(), drive.newTape()] as const;
  const installation = await Installation.make(t, {
    TAPE_PATH: drive.path,
    MAX_GROUP_SIZE: '2MB',
    STAGING_MAX_BYTES: '40MB',
  });
  for (const [index, tape] of tapes.entries()) {
    drive.load(tape);
    assert.equal((await installation.run(['tape', 'label', `TAPE${index + 1}`])).code, 0);
    drive.unload();
  }
  drive.load(tapes[0]);
  const backup = installation.start(['backup', source, '--json']);
  await waitFor(
    () =>
      installation
        .tryQuery<{ reason: string | null }>(`select reason from sets where state = 'waiting_for_tape'`)
        .some(({ reason }) => /TAPE1 is full/.test(reason ?? '')),
    'the first tape to be full',
  );
  drive.swap(tapes[1]);
  assert.equal((await backup.ended).code, 0);
  await installation.quiet();
  const before = rowsOf(catalogFile(installation.dataDir));
  const setId = String(before['sets']?.[0]?.['id']);
  const attributed = before['files']?.filter(({ attributes }) => attributes !== null) ?? [];
  assert.equal(attributed.length > 8, hasAttributes);
  rmSync(installation.dataDir, { recursive: true });

  const second = await installation.json<Reading>(['tape', 'catalog']);
  assert.deepEqual(second.troubles, []);
  assert.equal(second.sets[0]?.state, 'failed', 'groups on the first tape are missing');
  assert.ok((second.sets[0]?.missing.length ?? 0) > 0);
  drive.swap(tapes[0]);
  const first = await installation.json<Reading>(['tape', 'catalog']);
  assert.deepEqual(first.sets[0]?.missing, []);
  assert.deepEqual(rowsOf(catalogFile(installation.dataDir)), before);

  const again = await installation.json<Reading>(['tape', 'catalog']);
  assert.deepEqual([again.added, again.copy, again.known], [0, 0, first.added]);
  assert.deepEqual(rowsOf(catalogFile(installation.dataDir)), before, 'read twice, nothing is doubled');

  const target = tempFolder(t);
  const restore = installation.start(['restore', setId, '--target', target]);
  await waitFor(() => /TAPE2 is wanted/.test(restore.output()), 'the second tape to be asked for');
  drive.swap(tapes[1]);
  assert.equal((await restore.ended).code, 0, restore.output());
  assertSameTree(path.join(target, source), source, { folderTimes: false });
  if (hasAttributes) assert.equal(describeAttributes(path.join(target, source)), describeAttributes(source));
});

/** One set on a tape of its own, made once; each test reads a copy of the tape with a new catalog. */
let made: Promise<{ installation: Installation; setId: string; source: string }> | undefined;
const cleaners: (() => unknown)[] = [];
after(async () => {
  for (const clean of cleaners.reverse()) await clean();
});

async function tapeWithSet() {
  made ??= (async () => {
    const installation = await Installation.make(
      { after: (clean) => void cleaners.push(clean as () => unknown) },
      { MAX_GROUP_SIZE: '1MB' },
    );
    const source = mkdtempSync(path.join(installation.root, 'source-'));
    for (const name of ['a', 'b', 'c', 'd', 'e', 'f']) {
      writeTree(source, {
        [`${name}/1`]: noise(400_000, `${name}1`),
        [`${name}/2`]: noise(400_000, `${name}2`),
      });
      linkSync(path.join(source, name, '1'), path.join(source, name, '3'));
    }
    const { setId } = await installation.json<{ setId: string }>(['backup', source]);
    await installation.quiet();
    return { installation, setId, source };
  })();
  const { installation, setId, source } = await made;
  const root = mkdtempSync(path.join(installation.root, 'copy-'));
  const tape = path.join(root, 'tape');
  cpSync(installation.tapeDir, tape, { recursive: true, preserveTimestamps: true });
  const dataDir = path.join(root, 'data');
  const env = {
    TAPE_PATH: tape,
    TAPEFLOW_DATA_DIR: dataDir,
    BACKUP_COMPRESS_DIR: path.join(root, 'staging'),
  };
  return { installation, setId, source, tape, dataDir, env };
}

const manifestOf = (archive: string) => archive.replace(/\.tar\.gz$/, '.manifest.jsonl.gz');

test('where manifests are missing or damaged, the archives themselves are read', async () => {
  const { installation, setId, tape, dataDir, env } = await tapeWithSet();
  const good = rowsOf(catalogFile(installation.dataDir));
  const [first = '', second = '', third = ''] = archivesOn(tape, setId);
  rmSync(manifestOf(first));
  truncateSync(manifestOf(second), 200);
  // As another program would compress it.
  rmSync(manifestOf(third));
  execFileSync('sh', ['-c', 'gzip -dc "$1" | gzip -1 > "$1.new"', 'sh', third]);
  renameSync(`${third}.new`, third);

  const { code, stdout, stderr } = await installation.run(['tape', 'catalog'], env);
  assert.equal(code, 3, stderr);
  assert.match(stdout, /group 1: \d+ entries from the archive itself, added/);
  assert.match(stdout, /_000002\.tar\.gz is not valid \(.*\)/);
  const rows = rowsOf(catalogFile(dataDir));
  const contents = (files: Row[] | undefined) =>
    files?.map(({ path: name, size, sha256, tar_offset, type, link_target, mtime_s, mtime_ns, mode }) => ({
      ...{ name, size, sha256, tar_offset, type, link_target, mtime_s, mtime_ns, mode },
    }));
  assert.deepEqual(contents(rows['files']), contents(good['files']));
  const index = (tables: Record<string, Row[]>) =>
    tables['archives']?.map(({ size, sha256, blocks }) => ({ size, sha256, blocks }));
  assert.deepEqual(index(rows)?.slice(0, 2), index(good)?.slice(0, 2), 'with their index');

  const tapeAgain = path.join(installation.tapeDir, setId);
  cpSync(path.join(tapeAgain, path.basename(third)), third, { preserveTimestamps: true });
  for (const file of [first, second])
    cpSync(manifestOf(path.join(tapeAgain, path.basename(file))), manifestOf(file));
  await installation.run(['tape', 'catalog'], env);
  assert.deepEqual(
    rowsOf(catalogFile(dataDir))['files']?.filter((row) => Number(row['group_no']) < 3),
    good['files']?.filter((row) => Number(row['group_no']) < 3),
    'a manifest that is found later tells the rest',
  );
});

test('of a damaged archive everything before the damage is taken, and a sentence says what is lost', async () => {
  const { installation, setId, tape, dataDir, env } = await tapeWithSet();
  const [first = '', second = '', third = '', fourth = ''] = archivesOn(tape, setId);
  rmSync(manifestOf(first));
  const bytes = readFileSync(first);
  bytes.writeUInt8(bytes.readUInt8(bytes.length - 100_000) ^ 1, bytes.length - 100_000);
  writeFileSync(first, bytes);
  truncateSync(second, 300_000);
  rmSync(third);
  writeFileSync(fourth, 'no archive at all');
  rmSync(manifestOf(fourth));

  const { code, stdout } = await installation.run(['tape', 'catalog'], env);
  assert.equal(code, 3, 'what could be read is taken');
  assert.match(
    stdout,
    /_000001\.tar\.gz is damaged \(block \d+ is damaged .*\): (what (comes|lies) |nothing)/,
  );
  assert.match(stdout, /_000002\.tar\.gz has 300000 bytes instead of \d+/);
  assert.match(stdout, /_000003\.tar\.gz is not on the tape, .* \d+ entries, .* are lost there/);
  assert.match(stdout, /_000004\.tar\.gz is damaged/);
  const damaged = new Database(catalogFile(dataDir), { readonly: true });
  const copies = damaged
    .prepare('select group_no, damage from copies where damage is not null order by 1')
    .all() as Row[];
  damaged.close();
  assert.deepEqual(
    copies.map((copy) => copy['group_no']),
    [1, 2, 4],
  );
});

/** An archive of one file of zeros, small on the tape, that takes seconds to read. */
function slowArchive(file: string): void {
  const mebibyte = 1024 * 1024;
  const blocks = 3000;
  const header = encodeHeaders({
    ...{ name: 'slow', type: 'file', size: (blocks - 1) * mebibyte, mtimeS: 0, mtimeNs: 0 },
    ...{ mode: 0o600, uid: 0, gid: 0, linkTarget: null },
  });
  const first = Buffer.alloc(mebibyte);
  header.copy(first);
  const zeros = gzipSync(Buffer.alloc(mebibyte));
  writeFileSync(file, Buffer.concat([gzipSync(first), ...Array.from({ length: blocks }, () => zeros)]));
}

test('a reading that was killed in the middle is ended by the same command', async () => {
  const { installation, setId, tape, dataDir, env } = await tapeWithSet();
  const good = rowsOf(catalogFile(installation.dataDir));
  const groups = good['groups']?.length ?? 0;
  const [, second = '', third = ''] = archivesOn(tape, setId);
  slowArchive(second);
  for (const archive of [second, third]) rmSync(manifestOf(archive));
  const reading = installation.start(['tape', 'catalog'], env);
  await waitFor(() => reading.output().includes('the archive itself is read'), 'the slow archive to be read');
  reading.child.kill('SIGKILL');
  await reading.ended;
  const killed = rowsOf(catalogFile(dataDir));
  assert.equal(killed['groups']?.length, groups - 2, 'it was killed in the middle');
  assert.equal(killed['sets']?.[0]?.['state'], 'failed', 'a set that is not read whole is not complete');

  const whole = path.join(installation.tapeDir, setId);
  for (const file of [second, manifestOf(second), manifestOf(third)])
    cpSync(path.join(whole, path.basename(file)), file, { preserveTimestamps: true });
  const { added, known, sets } = await installation.json<Reading>(['tape', 'catalog'], env);
  assert.deepEqual([added, known], [2, groups - 2]);
  assert.equal(sets[0]?.state, 'completed');
  assert.deepEqual(rowsOf(catalogFile(dataDir)), good);
});

test('a tape of another installation is read and never written to, and its numbers are not given again', async (t) => {
  const { installation, setId, source, tape, dataDir, env } = await tapeWithSet();
  const { tape: row } = await installation.json<Reading>(['tape', 'catalog'], env);
  assert.equal(row.state, 'foreign');
  for (const command of ['trust', 'distrust'])
    assert.match((await installation.run(['tape', command, row.name], env)).stderr, /another installation/);
  assert.match((await installation.run(['retry', setId], env)).stderr, /read from tapes and cannot run/);
  const found = await installation.run(['find', path.join(source, 'a/1')], env);
  assert.match(found.stdout, new RegExp(`${row.name} backup_${setId}_0`));

  const listing = readdirSync(tape);
  const up = installation.start(['up'], env);
  t.after(async () => {
    up.child.kill();
    await up.ended;
  });
  await waitFor(() => readHostFile(dataDir), 'the server');
  const backup = installation.start(['backup', source, '--json'], env);
  t.after(() => backup.child.kill('SIGKILL'));
  await waitFor(
    () =>
      /is read, and never written to\. Load a tape of your own of pool default; .* `tapeflow tape catalog --adopt` makes it one of this/.test(
        backup.output(),
      ),
    'the backup to wait, and to name what helps',
  );
  const ids = (
    new Database(catalogFile(env.TAPEFLOW_DATA_DIR), { readonly: true })
      .prepare('select id from sets order by id')
      .all() as { id: string }[]
  ).map(({ id }) => id);
  assert.equal(ids.length, 2);
  assert.notEqual(ids[1], setId);
  assert.deepEqual(readdirSync(tape), listing);
  const status = await installation.run(['tape', 'status'], env);
  assert.match(status.stdout, /→ Load another tape of pool default; .* `tapeflow tape catalog --adopt`/);

  // The waiting set's worker has the drive: it does these.
  const [archive = ''] = archivesOn(tape, setId);
  const manifest = readFileSync(manifestOf(archive));
  truncateSync(manifestOf(archive), 10);
  const adopting = await installation.run(['tape', 'catalog', '--adopt'], env);
  writeFileSync(manifestOf(archive), manifest);
  assert.equal(adopting.code, 3, `what is damaged is told, and does not hinder it: ${adopting.stderr}`);
  assert.match(adopting.stdout, /^ {2}The manifest of \S+_000001\S+ is not valid/m);
  assert.match(adopting.stderr, /The worker of drive lto1 does it/);
  assert.match(adopting.stdout, new RegExp(`^${setId} group 1: known$`, 'm'));
  assert.match(adopting.stdout, /^The tape TAPE01, pool default, is in the catalog\.$/m);
  const ended = await backup.ended;
  assert.equal(ended.code, 0, ended.stderr);
  const result = JSON.parse(ended.stdout.trim().split('\n').at(-1) ?? '') as { tapes: string[] };
  assert.deepEqual(result.tapes, [row.name], 'adopted, it takes the set that has waited');
  assert.equal((await installation.run(['verify', setId], env)).code, 0, 'and what it held is as it was');
});

test('a set that is another one under a known number is left out, and the rest is read', async () => {
  const { installation, setId, tape, env } = await tapeWithSet();
  assert.equal((await installation.run(['tape', 'catalog'], env)).code, 0);
  const other = setId.replace(/\d$/, '9');
  for (const archive of archivesOn(tape, setId)) {
    const manifest = manifestOf(archive);
    const forged = execFileSync('gzip', ['-dc', manifest], { maxBuffer: 1 << 28 })
      .toString()
      .replace(/"setUuid":"[^"]+"/, '"setUuid":"11111111-1111-4111-8111-111111111111"');
    writeFileSync(manifest, execFileSync('gzip', ['-c'], { input: forged }));
  }
  symlinkSync('/etc', path.join(tape, other));
  const { code, stdout, stderr } = await installation.run(['tape', 'catalog', '--adopt'], env);
  assert.equal(code, 1);
  assert.match(stdout, /it is not made one of this, since what is on it contradicts this catalog/);
  assert.match(
    stdout,
    new RegExp(`The set ${setId} on the tape is another than the one that the catalog knows`),
  );
  assert.match(stderr, /cannot be read: it is not a folder/);
});

test('diff names what was added, removed and changed between two sets', async (t) => {
  const sets = await setsInProcess(t);
  const installation = await Installation.make(t, { TAPEFLOW_DATA_DIR: sets.settings.TAPEFLOW_DATA_DIR });
  const source = tempFolder(t);
  writeTree(source, { same: 'same', longer: 'short', gone: 'gone', 'turns/file': 'x' });
  symlinkSync('a', path.join(source, 'link'));
  const first = await sets.backUp(source, 'full');
  writeTree(source, { longer: 'no longer short', new: 'new' });
  rmSync(path.join(source, 'gone'));
  rmSync(path.join(source, 'link'));
  symlinkSync('b', path.join(source, 'link'));
  rmSync(path.join(source, 'turns'), { recursive: true });
  writeFileSync(path.join(source, 'turns'), 'a file now');
  const second = await sets.backUp(source, 'full');
  const { code, stdout } = await installation.run(['diff', first.setId, second.setId, '--json']);
  assert.equal(code, 0);
  const lines = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Row);
  const changes = lines
    .slice(0, -1)
    .map(({ change, path: name, fields }) => [
      change,
      String(name).slice(source.length + 1),
      fields === undefined ? '' : (fields as string[]).join(' '),
    ]);
  assert.deepEqual(changes, [
    ['changed', '', 'mtime'],
    ['removed', 'gone', ''],
    ['changed', 'link', 'mtime target'],
    ['changed', 'longer', 'size mtime sha256'],
    ['added', 'new', ''],
    ['added', 'turns', ''],
    ['removed', 'turns/', ''],
    ['removed', 'turns/file', ''],
  ]);
  assert.deepEqual(lines.at(-1), {
    ...{ before: first.setId, after: second.setId, added: 2, removed: 3, changed: 3 },
  });
  const text = await installation.run(['diff', first.setId, second.setId]);
  assert.match(text.stdout, /^M .*\/longer {2}\(size 5 → 15, /m);
  assert.match(text.stderr, /2 added, 3 removed, 3 changed/);
});
