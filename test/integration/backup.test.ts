import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  linkSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { readManifest, type ManifestLine } from '../../archive/manifest/read-manifest.js';
import { openZstd } from '../../archive/blocks/zstd.js';
import { backupWorkflowId } from '../../workflows/workflow-ids.js';
import { Installation } from '../support/installation.js';
import { OwnServer } from '../support/own-server.js';
import {
  archivesOn,
  assertSameTree,
  listTar,
  longTest,
  manyFiles,
  noise,
  tempFolder,
  untar,
  writeTree,
} from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';

interface Result {
  setId: string;
  status: string;
  groups: number;
  archives: number;
  files: number;
  skipped: number;
  bytesIn: number;
  bytesOut: number;
  seconds: number;
  tapes: string[];
}

/** A tree with everything that a source may hold. */
function variedTree(root: string): void {
  writeTree(root, {
    'plain.txt': 'plain text\n'.repeat(1000),
    'empty.txt': '',
    'big.bin': noise(3_500_000, 'big'),
    'sub/deep/er/file': 'x',
    'exe.sh': '#!/bin/sh\n',
    'Ünïcödé/名前.txt': 'utf-8 name',
    'with space and\nnewline': 'odd name',
    [`long/${'n'.repeat(200)}/${'m'.repeat(200)}.txt`]: 'a path beyond ustar',
  });
  mkdirSync(path.join(root, 'empty-folder'));
  chmodSync(path.join(root, 'exe.sh'), 0o4755);
  chmodSync(path.join(root, 'empty-folder'), 0o1750);
  linkSync(path.join(root, 'plain.txt'), path.join(root, 'sub', 'hard-link'));
  symlinkSync('../plain.txt', path.join(root, 'sub', 'symlink'));
  symlinkSync('/nowhere/at/all', path.join(root, 'dangling'));
  utimesSync(path.join(root, 'exe.sh'), 1e9, 1234567890.987);
  utimesSync(path.join(root, 'empty.txt'), 1e9, -1.5);
}

test('one command takes a tree to the tape, and tar brings it back byte for byte', async (t) => {
  const sources = tempFolder(t);
  const target = tempFolder(t);
  const first = path.join(sources, 'a');
  const second = path.join(sources, 'b');
  variedTree(first);
  // The same relative names as in the first source: they must not collide.
  writeTree(second, { 'plain.txt': 'another content', 'sub/deep/er/file': 'y' });
  execFileSync('mkfifo', [path.join(first, 'pipe')]);
  const installation = await Installation.make(t);

  const { code, stdout, stderr } = await installation.run(['backup', '--json', first, second]);
  assert.equal(code, 0, stderr);
  const result = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Result;
  assert.equal(result.status, 'completed');
  assert.equal(result.skipped, 0);
  assert.deepEqual(result.tapes, ['TAPE01']);
  await installation.quiet();

  const tape = installation.tapeDir;
  const archives = archivesOn(tape, result.setId);
  assert.equal(archives.length, 1);
  untar(archives, target);
  for (const source of [first, second]) assertSameTree(path.join(target, source), source);

  const [archive] = archives;
  assert.ok(archive);
  const row = installation.query<{ sha256: string; size: number; members: number }>(
    'select * from archives',
  )[0];
  assert.equal(createHash('sha256').update(readFileSync(archive)).digest('hex'), row?.sha256);
  assert.equal(statSync(archive).size, row?.size);
  assert.equal(listTar(archive).length, row?.members);
  assert.equal(result.files, row?.members);

  const lines: ManifestLine[] = [];
  for await (const line of readManifest(archive.replace('.tar.gz', '.manifest.jsonl.gz'))) lines.push(line);
  const end = lines.at(-1);
  assert.equal(end?.kind === 'end' ? end.end.sha256 : '', row?.sha256);
  assert.equal(lines.filter((line) => line.kind === 'member').length, row?.members);

  const stages = installation
    .query<{ stage: string }>('select stage from events where group_no = 1 order by id')
    .map((event) => event.stage);
  assert.deepEqual(stages, [
    ...['planned', 'compressing', 'compressed', 'promoting', 'promoted', 'final_visible', 'queued'],
    ...['writing', 'written', 'synced', 'committed', 'released'],
  ]);
  const logged = readdirSync(path.join(installation.dataDir, 'logs'))
    .filter((name) => name.endsWith('.log') && name.includes('worker'))
    .flatMap((name) =>
      readFileSync(path.join(installation.dataDir, 'logs', name), 'utf8')
        .trim()
        .split('\n'),
    )
    .map((line) => JSON.parse(line) as { stage?: string; setId?: string; group?: number; archive?: string })
    .filter((line) => line.stage !== undefined);
  assert.deepEqual(
    new Set(logged.map((line) => line.stage)),
    new Set(stages.filter((stage) => stage !== 'planned')),
  );
  assert.ok(logged.every((line) => line.setId === result.setId && line.group === 1));
  assert.deepEqual(readdirSync(path.join(installation.stagingDir, 'final')), []);
  assert.deepEqual(readdirSync(path.join(installation.stagingDir, 'temp')), []);
});

for (const { groups, suggested, skip } of [
  {
    groups: 20,
    suggested: ['--dynamic-config-value', 'limit.historyCount.suggestContinueAsNew=150'],
    skip: false,
  },
  // Where the server suggests by itself that a run ends, as everybody's does.
  { groups: 260, suggested: [], skip: longTest },
]) {
  const name = `${groups} groups keep the limit, go to tape in order, hold every file once, and the workflow continues as new`;
  test(name, { skip }, async (t) => {
    const source = tempFolder(t);
    manyFiles(source, 10 * groups, 2000);
    const installation = await Installation.make(t, { MAX_GROUP_SIZE: '20KB', STAGING_MAX_BYTES: '4MB' });
    const server = await OwnServer.start(t, installation, suggested);
    await server.worker(['archive']);
    await server.worker(['tape', '--drive', 'lto1']);
    const result = await installation.json<Result>(['backup', source], server.env);
    assert.equal(result.status, 'completed');
    assert.ok(result.archives >= groups, `${result.archives} archives`);

    const rows = installation.query<{ no: number; bytes: number; state: string }>(
      'select no, bytes, state from groups order by no',
    );
    assert.ok(rows.every((group) => group.bytes <= 20_000 && group.state === 'released'));
    const written = installation.query<{ group_no: number }>(
      `select group_no from events where stage = 'written' order by id`,
    );
    assert.deepEqual(
      written.map((event) => event.group_no),
      rows.map((group) => group.no),
    );
    const names = archivesOn(installation.tapeDir, result.setId).flatMap((archive) => listTar(archive));
    assert.equal(new Set(names).size, names.length);
    assert.equal(names.length, result.files);
    assert.equal(names.filter((name) => name.endsWith('.txt')).length, 10 * groups);

    const runs: number[] = [];
    for await (const run of server.environment.client.workflow.list({
      query: `WorkflowId = '${backupWorkflowId(result.setId, installation.shortId)}'`,
    }))
      runs.push(run.historyLength ?? 0);
    assert.ok(runs.length >= 2, `${runs.length} runs`);
    assert.ok(
      runs.every((events) => events < 4096),
      `histories of ${runs.join(', ')} events`,
    );
  });
}

test('kill -9 of everything in the middle: the same command goes on, and nothing is on the tape twice', async (t) => {
  const source = tempFolder(t);
  const target = tempFolder(t);
  manyFiles(source, 500, 2000);
  const installation = await Installation.make(t, { MAX_GROUP_SIZE: '50KB', STAGING_MAX_BYTES: '200KB' });
  const first = installation.start(['backup', source]);
  await waitFor(
    () => installation.tryQuery(`select 1 from copies where state = 'committed' limit 3`).length >= 3,
    'the first committed archives',
  );
  await installation.killAll();
  await first.ended;
  const before =
    installation.query<{ n: number }>(`select count(*) n from copies where state = 'committed'`)[0]?.n ?? 0;
  const total = installation.query<{ n: number }>('select count(*) n from groups')[0]?.n ?? 0;
  assert.ok(before < total, 'it was killed in the middle');

  const result = await installation.json<Result>(['backup', source]);
  assert.equal(result.status, 'completed');
  await installation.quiet();
  const sets = installation.query('select id from sets');
  assert.equal(sets.length, 1, 'it went on with the same set');
  const archives = archivesOn(installation.tapeDir, result.setId);
  assert.equal(archives.length, result.archives);
  const names = archives.flatMap((archive) => listTar(archive));
  assert.equal(new Set(names).size, names.length);
  untar(archives, target);
  assertSameTree(path.join(target, source), source, { folderTimes: false });
  const onTape = readdirSync(path.join(installation.tapeDir, result.setId));
  assert.deepEqual(
    onTape.filter((name) => name.endsWith('.part')),
    [],
  );
  assert.equal(onTape.length, 2 * result.archives + 1, 'with the end mark');
});

test(
  'two backups at once share one server; both complete, with numbers of their own',
  { skip: longTest },
  async (t) => {
    const sources = tempFolder(t);
    manyFiles(path.join(sources, 'a'), 100);
    manyFiles(path.join(sources, 'b'), 100);
    const installation = await Installation.make(t);
    const [a, b] = await Promise.all([
      installation.json<Result>(['backup', path.join(sources, 'a')]),
      installation.json<Result>(['backup', path.join(sources, 'b')]),
    ]);
    assert.equal(a.status, 'completed');
    assert.equal(b.status, 'completed');
    assert.deepEqual(
      [a.setId, b.setId].sort().map((id) => id.slice(-6)),
      ['000001', '000002'],
    );
    await installation.quiet();
  },
);

test(
  'direct mode writes straight to the tape with the same result, here of what a list names',
  { skip: longTest },
  async (t) => {
    const source = tempFolder(t);
    const target = tempFolder(t);
    variedTree(source);
    const installation = await Installation.make(t);
    // The other way of packing with the other format, where that is there.
    const env = { COMPRESSION: (await openZstd('auto')) === undefined ? 'gzip' : 'zstd' };
    const list = path.join(target, 'list');
    writeFileSync(list, `${source}/\n`);
    const result = await installation.json<Result>(['backup', '--direct', '--files-from', list], env);
    assert.equal(result.status, 'completed');
    await installation.quiet();
    const archives = archivesOn(installation.tapeDir, result.setId);
    untar(archives, target);
    assertSameTree(path.join(target, source), source);
    const row = installation.query<{ sha256: string }>('select sha256 from archives')[0];
    assert.equal(
      createHash('sha256')
        .update(readFileSync(archives[0] ?? ''))
        .digest('hex'),
      row?.sha256,
    );
  },
);
