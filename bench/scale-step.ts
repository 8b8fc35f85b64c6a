// One measured step of bench/scale.ts, in a process of its own: so that its CPU time and peak memory are its own.
import path from 'node:path';
import { toBytes } from '../entry/byte-string.js';
import { filesOfGroup, type PlannedRow } from '../catalog/files/files.js';
import { commitCompressed, type PackedFile } from '../catalog/files/packed-files.js';
import { nameStart } from '../catalog/files/file-names.js';
import { beginCompressing } from '../catalog/groups/group-owner.js';
import { advanceGroup } from '../catalog/groups/group-states.js';
import { openSet } from '../catalog/sets/open-set.js';
import { openCatalog, type Catalog } from '../catalog/open-catalog.js';
import { filesBelow, filesNamed } from '../catalog/files/search.js';
import { GroupPlanner } from '../source/group-planner.js';
import { scanInThread } from '../source/scan.js';
import { walk } from '../source/walk.js';
import type { ScanBatch } from '../catalog/files/write-batch.js';

export interface StepResult {
  seconds: number;
  /** User and system time of the step, in seconds. */
  cpu: number;
  /** Peak of the whole process. */
  rssMb: number;
  values: Record<string, number>;
}

const limits = {
  groupBytes: 12 * 1024 ** 3,
  groupFiles: 50_000,
  stagingBytes: 36 * 1024 ** 3,
  direct: false,
  tapeBytes: Number.MAX_SAFE_INTEGER,
};

const newSet = { excludes: [], pool: 'default', drive: 'lto1', mode: 'full', direct: false, options: {} };

async function scan(catalog: Catalog, file: string, source: string): Promise<Record<string, number>> {
  const { set } = await openSet(catalog, { sources: [source], ...newSet }, { fresh: true });
  let entries = 0;
  const job = { catalogFile: file, setId: set.id, sources: [source], excludes: [], ownFolders: [], limits };
  await scanInThread(job, new AbortController().signal, (progress) => (entries = progress.entries));
  return { entries };
}

/** The scan without the catalog: what it walks is planned, and written nowhere. */
async function walkOnly(catalog: Catalog, source: string): Promise<Record<string, number>> {
  const { set } = await openSet(catalog, { sources: [source], ...newSet }, { fresh: true });
  const writer = { write: async ({ files }: ScanBatch) => files, idle: async () => undefined };
  const { planner } = await GroupPlanner.resume(catalog, set.id, limits, { writer });
  const options = { sources: [source], excludes: [], ownFolders: [], after: undefined };
  for (const entry of walk({ ...options, onLeftOut: () => undefined })) {
    const written = planner.add(entry);
    if (written !== undefined) await written;
  }
  await planner.flush();
  return { entries: planner.counted.entries };
}

/**
 * All that the catalog does for a file after the scan: read to be packed, what packing found, and its group's states.
 */
async function life(catalog: Catalog): Promise<Record<string, number>> {
  const groups = await catalog.selectFrom('groups').selectAll().orderBy('set_id').orderBy('no').execute();
  let files = 0;
  for (const { set_id: setId, no } of groups) {
    await beginCompressing(catalog, setId, no, 'bench');
    const packed: PackedFile[] = [];
    for await (const { rows } of filesOfGroup(catalog, setId, no)) packed.push(...rows.map(packedOf));
    const archive = {
      ...{ set_id: setId, group_no: no, name: `${setId}/${no}`, size: 1, sha256: '', token: 'bench' },
      ...{ manifest_name: '', manifest_size: 1, manifest_sha256: '', bytes_in: 1, members: packed.length },
      created_at: 0,
    };
    await commitCompressed(catalog, archive, packed, { reserved: 1, ms: 1, detail: '' });
    for (const step of ['promote', 'queue'] as const)
      await advanceGroup(catalog, setId, no, step, { stage: step });
    files += packed.length;
  }
  return { files };
}

function packedOf(row: PlannedRow, index: number): PackedFile {
  return {
    path: Buffer.from(row.path).toString('latin1'),
    size: row.size,
    sha256: 'a1b2c3d4'.repeat(8),
    tarOffset: index * 1024,
    reason: null,
    state: 'packed',
    now: { mtimeS: row.mtime_s, mtimeNs: row.mtime_ns, linkTarget: null },
  };
}

/**
 * CPU milliseconds of queries, warm, each the median of five: on a machine that does nothing else, that is their time.
 */
async function queries(catalog: Catalog): Promise<Record<string, number>> {
  const sample = await catalog
    .selectFrom('files')
    .select('path')
    .where('type', '=', 'file')
    .offset(777)
    .limit(1)
    .executeTakeFirstOrThrow();
  const start = nameStart(sample.path) - 1;
  const name = Buffer.from(sample.path).toString('latin1', start);
  const folder = Buffer.from(sample.path).toString('latin1', 0, start);
  const { id } = await catalog.selectFrom('sets').select('id').executeTakeFirstOrThrow();
  const timed = {
    'find NAME': () => drain(filesNamed(catalog, undefined, { exactly: name })),
    'find NAME*': () => drain(filesNamed(catalog, undefined, { begins: name.slice(0, -5) })),
    'find *PART*': () => drain(filesNamed(catalog, undefined, { holds: name.slice(2, -5) })),
    'find /FOLDER/*': () => drain(filesBelow(catalog, undefined, folder)),
    'ls SET PATH': () => drain(filesBelow(catalog, id, folder)),
    'trace PATH': () =>
      catalog
        .selectFrom('files')
        .selectAll()
        .where('path', '=', toBytes(`${folder}${name}`))
        .where('set_id', 'in', [id])
        .execute(),
  };
  const result: Record<string, number> = {};
  for (const [what, query] of Object.entries(timed)) {
    const times: number[] = [];
    for (let i = 0; i < 5; i += 1) {
      const start = process.cpuUsage();
      await query();
      const { user, system } = process.cpuUsage(start);
      times.push((user + system) / 1000);
    }
    result[what] = times.sort((a, b) => a - b)[2] ?? 0;
  }
  return result;
}

async function drain(pages: AsyncIterable<unknown[]>): Promise<void> {
  for await (const page of pages) void page;
}

const [step = '', file = '', source = ''] = process.argv.slice(2);
const catalog = await openCatalog(path.resolve(file));
const before = process.cpuUsage();
const began = performance.now();
const values =
  step === 'scan'
    ? await scan(catalog, file, source)
    : step === 'walk'
      ? await walkOnly(catalog, source)
      : step === 'life'
        ? await life(catalog)
        : await queries(catalog);
const { user, system } = process.cpuUsage(before);
const seconds = (performance.now() - began) / 1000;
await catalog.destroy();
const result: StepResult = {
  seconds,
  cpu: (user + system) / 1e6,
  rssMb: process.resourceUsage().maxRSS / 1024,
  values,
};
process.stdout.write(JSON.stringify(result));
