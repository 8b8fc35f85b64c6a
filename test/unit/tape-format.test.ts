/** What is on a tape is what docs/format.md and docs/schemas/ say, and a reader that knows nothing else can read it. */
import assert from 'node:assert/strict';
import { isUtf8 } from 'node:buffer';
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  cpSync,
  ftruncateSync,
  linkSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { openZstd } from '../../archive/blocks/zstd.js';
import { treeRows } from '../../catalog/files/tree-rows.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import { projectDir } from '../../config/project-dir.js';
import { requireValid, schemaOfObject } from '../support/json-schemas.js';
import { setsInProcess } from '../support/sets-in-process.js';
import { noise, tempFolder, writeTree } from '../support/trees.js';

const reader = path.join(projectDir, 'test', 'support', 'read-tape.py');
const needsPython = spawnSync('python3', ['--version']).status === 0 ? false : 'needs python3';

interface Entry {
  name: string;
  type?: string;
  sha256?: string | null;
  target?: string;
  set?: string;
  reason?: string;
}

interface TreeEntry extends Entry {
  kind: string;
  set: string;
}

/** What the reader tells of a tape. */
interface Listing {
  label: { name: string };
  sets: Record<
    string,
    {
      endMark: { groups: number; entries: number };
      missing: number[];
      archives: {
        group: number;
        manifest: string;
        whole: boolean;
        members: Entry[];
        kept: Entry[];
        skipped: Entry[];
        gone: Entry[];
        unchanged: number;
      }[];
    }
  >;
}

const list = (tape: string) =>
  JSON.parse(execFileSync('python3', [reader, 'list', tape], { encoding: 'utf8' })) as Listing;

/** What a set has, as the reader tells it: the last known line of each name, and the set whose manifest has it. */
const treeOf = (tape: string, set: string) =>
  new Map(
    (
      JSON.parse(execFileSync('python3', [reader, 'tree', tape, set], { encoding: 'utf8' })) as TreeEntry[]
    ).map((entry) => [entry.name, entry]),
  );

const extract = (tape: string, set: string, name: string) =>
  spawnSync('python3', [reader, 'extract', tape, set, name], { maxBuffer: 1 << 28 });

const hashOf = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

/** The objects of a manifest. */
const linesOf = (file: string) =>
  gunzipSync(readFileSync(file))
    .toString('utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

/** The manifests of a tape. */
function manifestsOn(tape: string): string[] {
  const sets = readdirSync(tape, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return sets
    .flatMap(({ name }) => readdirSync(path.join(tape, name)).map((file) => path.join(tape, name, file)))
    .filter((file) => file.endsWith('.manifest.jsonl.gz'))
    .sort();
}

/** The content of a file with holes before, between and behind its data. */
const holedFile = Buffer.alloc(3_000_005);
for (const at of [1_048_576, 2_000_000]) noise(5000, 'data between holes').copy(holedFile, at);

/** Three sets of one tree on a tape: a full one of gzip, and two that build on it, of zstd (where it is) and plain. */
async function threeSets(t: TestContext) {
  const source = tempFolder(t);
  const content: Record<string, Buffer> = {
    'a/text': Buffer.alloc(3_200_000, 'line of a text\n'),
    'b/noise': noise(2_500_000, 'noise'),
    'c/empty': Buffer.alloc(0),
    'c/first': Buffer.from('the same file twice'),
    'd/gone': Buffer.from('gone before it is packed'),
    'd/later gone': Buffer.from('gone before the last set'),
    'd/Ünïcödé': Buffer.from('composed'),
    [`d/${'ü'.normalize('NFD').repeat(60)}`]: Buffer.from('not composed, and long'),
  };
  writeTree(source, content);
  const holes = openSync(path.join(source, 'c/with holes'), 'w');
  ftruncateSync(holes, holedFile.length);
  for (const at of [1_048_576, 2_000_000]) writeSync(holes, holedFile, at, 5000, at);
  closeSync(holes);
  linkSync(path.join(source, 'c/first'), path.join(source, 'c/second'));
  symlinkSync('../a/text', path.join(source, 'c/symlink'));
  writeFileSync(Buffer.concat([Buffer.from(`${source}/d/caf`), Buffer.from([0xe9])]), 'no UTF-8');
  const sets = await setsInProcess(t, { MAX_GROUP_SIZE: '3300000' });
  const store = async (setId: string) => {
    for (const group of await sets.groupsOf(setId)) await sets.store(setId, group);
    await sets.end(setId);
    // A file that changed just before a set began is stored again by the next.
    const later = { created_at: Date.now() + 60_000 };
    await sets.catalog.updateTable('sets').set(later).where('id', '=', setId).execute();
    return setId;
  };
  const full = await sets.begin(source, 'full');
  rmSync(path.join(source, 'd/gone'));
  delete content['d/gone'];
  await store(full);
  const more = async (name: string, bytes: number, format: 'zstd' | 'gzip' | 'none') => {
    content[name] = Buffer.alloc(bytes, name);
    writeTree(source, { [name]: content[name] });
    return store(await sets.begin(source, 'incremental', [], { COMPRESSION: format, COMPRESSION_LEVEL: 3 }));
  };
  const second = await more('e/new', 5_000_000, (await openZstd('auto')) === undefined ? 'gzip' : 'zstd');
  rmSync(path.join(source, 'd/later gone'));
  chmodSync(path.join(source, 'b/noise'), 0o600);
  const third = await more('f/new', 1_500_000, 'none');
  return { inTape: (name: string) => `${source.slice(1)}/${name}`, content, sets, full, second, third };
}

test(
  'a reader that knows docs/format.md alone lists a tape, and reads a file by its blocks',
  { skip: needsPython },
  async (t) => {
    const { inTape, content, sets, full, second, third } = await threeSets(t);
    const tape = sets.tapeDir;
    const objects = [path.join(tape, 'tapeflow-label.json')]
      .concat([full, second, third].map((id) => path.join(tape, id, `backup_${id}.end.json`)))
      .map((file) => JSON.parse(readFileSync(file, 'utf8')) as object);
    for (const one of [...objects, ...manifestsOn(tape).flatMap(linesOf)])
      requireValid(schemaOfObject(one), one);

    const { label, sets: listed } = list(tape);
    assert.equal(label.name, 'TAPE01');
    assert.deepEqual(Object.keys(listed), [full, second, third]);
    const of = (id: string) => listed[id] ?? assert.fail(id);
    for (const id of [full, second, third]) {
      const { missing, endMark, archives } = of(id);
      assert.deepEqual([missing, endMark.groups], [[], archives.length]);
      for (const archive of archives) assert.deepEqual([archive.manifest, archive.whole], ['', true]);
    }
    const named = (id: string, kind: 'members' | 'kept') =>
      new Map(of(id).archives.flatMap((archive) => archive[kind].map((one) => [one.name, one])));
    const members = named(full, 'members');
    for (const name of Object.keys(content).filter((one) => !one.endsWith('/new')))
      assert.equal(members.get(inTape(name))?.sha256, hashOf(content[name] ?? Buffer.alloc(0)), name);
    assert.equal(members.get(inTape('d/caf\udce9'))?.sha256, hashOf(Buffer.from('no UTF-8')));
    const link = members.get(inTape('c/second'));
    assert.deepEqual([link?.type, link?.target], ['link', inTape('c/first')]);
    assert.equal(members.get(inTape('c/symlink'))?.target, '../a/text');
    const gone = of(full).archives.flatMap((archive) => archive.skipped);
    assert.deepEqual(
      gone.map(({ name, reason }) => [name, typeof reason]),
      [[inTape('d/gone'), 'string']],
    );
    const [tree, kept] = [treeOf(tape, third), named(third, 'kept')];
    assert.deepEqual([tree.get(inTape('a/text'))?.set, tree.get(inTape('e/new'))?.set], [full, second]);
    assert.deepEqual([tree.get(inTape('b/noise'))?.kind, tree.get(inTape('b/noise'))?.set], ['kept', third]);
    assert.equal(tree.size, of(third).endMark.entries);
    const listedOf = await rowsOf(sets.catalog, third);
    assert.deepEqual(
      [...tree.keys()].filter((name) => name !== inTape('d/caf\udce9')).sort(),
      listedOf.names,
    );
    for (const [name, sha256] of listedOf.hashes) assert.equal(tree.get(name)?.sha256 ?? null, sha256, name);
    const [text, anotherGone] = [inTape('a/text'), of(third).archives.flatMap((archive) => archive.gone)];
    assert.ok(!kept.has(text) && !named(third, 'members').has(text), 'an unchanged file has no line');
    assert.deepEqual(
      anotherGone.map(({ name }) => name),
      [inTape('d/later gone')],
    );
    assert.equal(extract(tape, second, inTape('d/later gone')).stdout.toString(), 'gone before the last set');
    assert.match(extract(tape, third, inTape('d/later gone')).stderr.toString(), /has no b'/);

    // Of each format, with nothing left of any archive but the blocks that hold the file.
    for (const name of ['b/noise', 'e/new', 'f/new']) {
      const copy = tempFolder(t);
      cpSync(tape, copy, { recursive: true });
      assert.ok(destroyOthers(copy, inTape(name)) > 5);
      const { stdout, stderr } = extract(copy, third, inTape(name));
      assert.ok(stdout.equals(content[name] ?? Buffer.alloc(0)), `${name}: ${stderr.toString()}`);
    }
    for (const [name, text] of [['c/second', 'the same file twice'] as const, ['c/empty', ''] as const])
      assert.equal(extract(tape, third, inTape(name)).stdout.toString(), text);
    assert.ok(extract(tape, third, inTape('c/with holes')).stdout.equals(holedFile));
    assert.match(extract(tape, third, inTape('d/gone')).stderr.toString(), /has no b'/);
  },
);

/** What the catalog has of a set, of the names that are UTF-8. */
async function rowsOf(catalog: Catalog, setId: string) {
  const hashes = new Map<string, string | null>();
  for await (const page of treeRows(catalog, setId, {}))
    for (const { path: name, sha256 } of page)
      if (isUtf8(name)) hashes.set(Buffer.from(name).toString(), sha256);
  return { names: [...hashes.keys()].sort(), hashes };
}

/** Overwrites every block of every archive on a tape that holds nothing of a member. Returns how many. */
function destroyOthers(tape: string, name: string): number {
  let lost = 0;
  for (const manifest of manifestsOn(tape)) {
    const lines = linesOf(manifest);
    const { archive } = lines[0] as { archive: string };
    const { blockBytes, blocks } = lines.at(-1) as { blockBytes: number; blocks: number[] };
    const member = lines.find((line) => line['name'] === name) ?? { content: -1, size: 0 };
    const [begin, end] = [Number(member['content']), Number(member['content']) + Number(member['size'])];
    const file = openSync(path.join(path.dirname(manifest), archive), 'r+');
    let at = 0;
    blocks.forEach((bytes, block) => {
      const from = block * blockBytes;
      if (from >= end || from + blockBytes <= begin) {
        writeSync(file, Buffer.alloc(bytes, 0xff), 0, bytes, at);
        lost += 1;
      }
      at += bytes;
    });
    closeSync(file);
  }
  return lost;
}

test(
  'a manifest of a later version counts as none, for that reader and for tape catalog; later keys and lines are ignored',
  { skip: needsPython },
  async (t) => {
    const source = tempFolder(t);
    const content = { 'a/first': noise(100_000, 'first'), 'b/second': noise(100_000, 'second') };
    writeTree(source, content);
    const sets = await setsInProcess(t, { MAX_GROUP_SIZE: '100000' });
    const { setId } = await sets.backUp(source, 'full');
    const [first = '', second = ''] = manifestsOn(sets.tapeDir);
    const rewrite = (file: string, change: (lines: object[]) => object[]) =>
      writeFileSync(
        file,
        gzipSync(
          `${change(linesOf(file))
            .map((line) => JSON.stringify(line))
            .join('\n')}\n`,
        ),
      );
    rewrite(first, ([header, ...rest]) => [{ ...header, version: 4 }, ...rest]);
    rewrite(second, (lines) => {
      const [header, ...rest] = lines.map((line) => ({ ...line, later: { of: 'a version' } }));
      return [header ?? {}, { later: 'a line of another kind' }, ...rest];
    });

    const [one, two] = list(sets.tapeDir).sets[setId]?.archives ?? [];
    assert.match(one?.manifest ?? '', /no manifest of a known version/);
    assert.equal(two?.manifest, '');
    const hashes = [one, two].flatMap((archive) => archive?.members.map(({ sha256 }) => sha256));
    for (const bytes of Object.values(content)) assert.ok(hashes.includes(hashOf(bytes)));

    const { reading, restore } = await sets.rebuilt();
    assert.deepEqual(reading.troubles.length, 1);
    assert.match(JSON.stringify(reading.troubles), /it has version 4, and this program reads 1, 2 and 3/);
    const target = tempFolder(t);
    assert.equal((await restore(setId, target)).status, 'completed');
    for (const [name, bytes] of Object.entries(content))
      assert.ok(readFileSync(path.join(target, source, name)).equals(bytes), name);
  },
);
