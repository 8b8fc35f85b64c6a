// What a file costs the catalog, in bytes: `npm run bench -- catalog [--files N] [--dir FOLDER] [--json FILE]`. In one
// catalog: a first set, an incremental one of the same tree, one after a change of every hundredth file, and a second
// full one. What goes to tape is made up; the rest is done as in a backup.
import { lutimesSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import Database from 'better-sqlite3';
import { filesOfGroup, type PlannedRow } from '../catalog/files/files.js';
import { commitCompressed, type PackedFile } from '../catalog/files/packed-files.js';
import { beginCompressing } from '../catalog/groups/group-owner.js';
import { openCatalog, type Catalog } from '../catalog/open-catalog.js';
import { openSet } from '../catalog/sets/open-set.js';
import { recordSetState } from '../catalog/sets/set-states.js';
import { projectDir } from '../config/project-dir.js';
import { GroupPlanner } from '../source/group-planner.js';
import { walk } from '../source/walk.js';
import { randomFrom } from './scale-trees.js';

const perFolder = 250;
const limits = {
  ...{ groupBytes: 12 * 1024 ** 3, groupFiles: 50_000, stagingBytes: 36 * 1024 ** 3 },
  ...{ direct: false, tapeBytes: Number.MAX_SAFE_INTEGER },
};

const { values: given } = parseArgs({
  options: {
    files: { type: 'string', default: '300000' },
    dir: { type: 'string', default: os.tmpdir() },
    json: { type: 'string', default: path.join(projectDir, 'temp', 'bench-catalog.json') },
  },
});
const count = Number(given.files);
const root = mkdtempSync(path.join(given.dir, 'tf-'));
const tree = path.join(root, 't');
const file = path.join(root, 'catalog.db');

/** A file's path; with the folder above, names of members have about 30 bytes. */
function pathOf(no: number): string {
  const folder = String(Math.floor(no / perFolder)).padStart(4, '0');
  return path.join(tree, folder.slice(0, 2), `d${folder}`, `${no.toString(36)}.js`);
}

function makeTree(): void {
  // Older than the sets, so that no file counts as changed just then.
  const old = Date.now() / 1000 - 3600;
  for (let no = 0; no < count; no += 1) {
    if (no % perFolder === 0) mkdirSync(path.dirname(pathOf(no)), { recursive: true });
    writeFileSync(pathOf(no), `${no}\n`);
    lutimesSync(pathOf(no), old, old);
  }
}

function packedOf(row: PlannedRow, index: number, random: () => number): PackedFile {
  const isFile = row.type === 'file';
  const sha256 = isFile
    ? Buffer.from(Array.from({ length: 32 }, () => random() * 256)).toString('hex')
    : null;
  return {
    ...{ path: Buffer.from(row.path).toString('latin1'), size: row.size, sha256, tarOffset: index * 1024 },
    ...{
      reason: null,
      state: 'packed',
      now: { mtimeS: row.mtime_s, mtimeNs: row.mtime_ns, linkTarget: null },
    },
  };
}

/** One set from its scan to its end, of which nothing is packed and all is on tape. */
async function set(catalog: Catalog, mode: string): Promise<void> {
  const asked = { sources: [tree], excludes: [], pool: 'p', drive: 'd', mode, direct: false, options: {} };
  const { set: made } = await openSet(catalog, asked, { fresh: true });
  // As begun later than the files were changed: their ctime is of just then.
  const created = Date.now() + 10_000;
  await catalog.updateTable('sets').set({ created_at: created }).where('id', '=', made.id).execute();
  const { planner } = await GroupPlanner.resume(catalog, made.id, limits);
  const from = { sources: [tree], excludes: [], ownFolders: [], after: undefined };
  for (const entry of walk({ ...from, onLeftOut: () => undefined })) await planner.add(entry);
  await planner.finish([]);
  const random = randomFrom(1);
  for (let no = 1; no <= planner.counted.groups; no += 1) {
    await beginCompressing(catalog, made.id, no, 'bench');
    const packed: PackedFile[] = [];
    for await (const page of filesOfGroup(catalog, made.id, no))
      for (const row of page) if (row.state === 'planned') packed.push(packedOf(row, packed.length, random));
    const name = `${made.id}/${no}`;
    const archive = {
      ...{ set_id: made.id, group_no: no, name, size: 1, sha256: '', token: 'bench', manifest_name: name },
      ...{ manifest_size: 1, manifest_sha256: '', bytes_in: 1, members: packed.length, created_at: 0 },
    };
    await commitCompressed(catalog, archive, packed, { reserved: 0, ms: 1, detail: '' });
    const copy = { set_id: made.id, group_no: no, copy_no: 1, tape_uuid: 'T', token: 'bench' };
    await catalog
      .insertInto('copies')
      .values({ ...copy, state: 'committed', written_at: 1, committed_at: 1 })
      .execute();
  }
  await catalog.updateTable('groups').set({ state: 'released' }).where('set_id', '=', made.id).execute();
  await recordSetState(catalog, made.id, 'completed', null);
}

/** Bytes of the catalog that are in use. */
function bytesUsed(): number {
  const database = new Database(file);
  const [pages, free, size] = ['page_count', 'freelist_count', 'page_size'].map((name) =>
    Number(database.pragma(name, { simple: true })),
  );
  database.close();
  return ((pages ?? 0) - (free ?? 0)) * (size ?? 0);
}

function changeSome(): void {
  const random = randomFrom(2);
  for (let changed = 0; changed < count / 100; changed += 1)
    writeFileSync(pathOf(Math.floor(random() * count)), 'changed\n');
}

try {
  makeTree();
  const catalog = await openCatalog(file);
  const tape = { uuid: 'T', name: 'T', pool: 'p', state: 'usable', capacity: 0, free: 0 } as const;
  await catalog
    .insertInto('tapes')
    .values({ ...tape, labelled_at: 0, seen_at: 0 })
    .execute();
  const rows: { what: string; bytes: number; 'bytes/file': number; seconds: number }[] = [];
  let before = 0;
  const measure = async (what: string, mode: string) => {
    const began = performance.now();
    await set(catalog, mode);
    const seconds = Number(((performance.now() - began) / 1000).toFixed(1));
    const now = bytesUsed();
    const bytes = now - before;
    rows.push({ what, bytes, 'bytes/file': Number((bytes / count).toFixed(1)), seconds });
    before = now;
  };
  await measure('the first set', 'full');
  await measure('incremental, nothing changed', 'incremental');
  changeSome();
  await measure('incremental, every hundredth file changed', 'incremental');
  await measure('a second full set', 'full');
  await catalog.destroy();
  console.table(rows);
  console.log(
    `${count} files, paths of about ${pathOf(count - 1).length - 1} bytes, ${statSync(file).size} bytes`,
  );
  mkdirSync(path.dirname(given.json), { recursive: true });
  writeFileSync(given.json, `${JSON.stringify(rows, null, 2)}\n`);
} finally {
  rmSync(root, { recursive: true, force: true });
}
