// The engine alone, in a process of its own:
//   node dist/bench/engine.js list FOLDER LIST                              (walks it, for `pack`)
//   node dist/bench/engine.js pack LIST|FOLDER ARCHIVE THREADS LEVEL auto|zlib
//     (writes ARCHIVE.manifest beside it, and ARCHIVE.seconds: what the call took within the process, the start of its
//     thread included; the name's ending says the format)
//   node dist/bench/engine.js wanted ARCHIVE LIST [NAME]
//     (one member of its manifest, or all, for the next two)
//   node dist/bench/engine.js unpack ARCHIVE TARGET LIST
//   node dist/bench/engine.js verify ARCHIVE LIST
// What a step does not need is not loaded, as in a process that has been up for long.
import { createReadStream, statSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import type { BlockIndex } from '../entry/block-index.js';
import type { PackedMember, PlannedMember } from '../entry/member.js';
import type { Unpacked, WantedMember } from '../archive/unpack/unpack-options.js';
import { formatOf, type CodecChoice } from '../entry/archive-format.js';
import { ownersAsBackedUp } from '../entry/owner-choice.js';

const pageSize = 2000;

async function* inPages<Item>(items: Iterable<Item> | AsyncIterable<Item>): AsyncGenerator<Item[]> {
  let page: Item[] = [];
  for await (const item of items) {
    if (page.push(item) < pageSize) continue;
    yield page;
    page = [];
  }
  yield page;
}

async function* walked(folder: string): AsyncGenerator<PlannedMember> {
  const { plannedBelow } = await import('../test/support/plan.js');
  yield* plannedBelow(folder);
}

/** Writes the pages of a folder's plan as lines of JSON: what a scan leaves in the catalog for the compression. */
async function list(folder: string, file: string): Promise<void> {
  const lines: string[] = [];
  for await (const page of inPages(walked(folder))) lines.push(`${JSON.stringify(page)}\n`);
  await writeFile(file, lines);
}

async function* listed(file: string): AsyncGenerator<PlannedMember[]> {
  const { linesOf } = await import('../archive/manifest/lines.js');
  for await (const line of linesOf(createReadStream(file, { highWaterMark: 1024 * 1024 }), Infinity))
    yield JSON.parse(line) as PlannedMember[];
}

async function pack(planned: string, archive: string, threads: number, level: number, codec: CodecChoice) {
  const { packInThread } = await import('../archive/pack/pack-in-thread.js');
  let skipped = 0;
  const began = performance.now();
  await packInThread({
    archivePath: archive,
    manifestPath: `${archive}.manifest`,
    format: formatOf(archive) ?? 'gzip',
    level,
    codec,
    inFlight: Math.max(8, threads * 4),
    maxBytes: null,
    manifestHeader: {
      ...{
        set: '2000-01_000001',
        setUuid: 'bench',
        group: 1,
        archive: 'bench.tar.gz',
        installation: 'bench',
      },
      ...{ created: new Date(0).toISOString(), sources: [], hostname: 'bench', mode: 'full' },
      platform: process.platform,
    },
    pages: statSync(planned).isDirectory() ? inPages(walked(planned)) : listed(planned),
    alreadySkipped: [],
    signal: new AbortController().signal,
    onBatch: (_packed, missed) => (skipped += missed.length),
    onProgress: () => undefined,
  });
  await writeFile(`${archive}.seconds`, String((performance.now() - began) / 1000));
  if (skipped > 0) throw new Error(`${skipped} files of the corpus were skipped`);
}

const wantedOf = (member: PackedMember): WantedMember => ({
  ...member,
  type: member.type === 'link' ? 'file' : member.type,
  mode: member.mode & 0o7777,
  linkOffset: null,
});

/**
 * Writes the block index as a line of JSON, and the pages of what is wanted as the lines after it: what the catalog
 * gives to a restore. `name`: a member; undefined for all of them.
 */
async function wanted(archive: string, file: string, name: string | undefined): Promise<void> {
  const { readManifest } = await import('../archive/manifest/read-manifest.js');
  let index: BlockIndex | undefined;
  const members = async function* () {
    for await (const line of readManifest(`${archive}.manifest`)) {
      if (line.kind === 'member' && (name ?? line.member.name) === line.member.name)
        yield wantedOf(line.member);
      if (line.kind === 'end') index = { blockBytes: line.end.blockBytes, blocks: line.end.blocks };
    }
  };
  const lines: string[] = [];
  for await (const page of inPages(members())) lines.push(`${JSON.stringify(page)}\n`);
  await writeFile(file, [`${JSON.stringify(index)}\n`, ...lines]);
}

async function unpack(archive: string, target: string | null, file: string): Promise<void> {
  const { linesOf } = await import('../archive/manifest/lines.js');
  const { unpackInThread } = await import('../archive/unpack/unpack-in-thread.js');
  const lines = linesOf(createReadStream(file, { highWaterMark: 1024 * 1024 }), Infinity);
  const first = await lines.next();
  if (first.done === true) throw new Error(`${file} is empty`);
  const pages = async function* () {
    for await (const line of lines) yield JSON.parse(line) as WantedMember[];
  };
  const failed: Unpacked[] = [];
  let done = 0;
  await unpackInThread({
    archivePath: archive,
    format: formatOf(archive) ?? 'gzip',
    index: JSON.parse(first.value) as BlockIndex,
    target,
    overwrite: 'never',
    owners: ownersAsBackedUp,
    own: {},
    job: { name: 'bench', token: 'bench' },
    inFlight: Math.max(4, Number(process.env['UV_THREADPOOL_SIZE'] ?? 4) * 3),
    pages: pages(),
    signal: new AbortController().signal,
    onBatch(batch, restored) {
      done += batch.length + restored;
      failed.push(...batch.filter(({ outcome }) => outcome === 'failed'));
    },
    onProgress: () => undefined,
  });
  if (done === 0) throw new Error(`${file} names no members`);
  if (failed.length > 0) throw new Error(`${failed.length} members failed: ${failed[0]?.reason ?? ''}`);
}

const [step, first = '', second = '', ...rest] = process.argv.slice(2);
if (step === 'list') await list(first, second);
else if (step === 'pack')
  await pack(first, second, Number(rest[0]), Number(rest[1]), rest[2] === 'zlib' ? 'zlib' : 'auto');
else if (step === 'wanted') await wanted(first, second, rest[0]);
else if (step === 'unpack') await unpack(first, second, rest[0] ?? '');
else await unpack(first, null, second);
process.exit(0);
