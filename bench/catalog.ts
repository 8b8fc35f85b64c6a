// What a file costs the catalog, and in manifests the tape, in bytes: `npm run bench -- catalog [--files N]
// [--dir FOLDER] [--json FILE]`. In one catalog: a first set, an incremental one of the same tree, one after a change
// of every hundredth file, a second full one, and a third of the same tree. What goes to tape is made up; the rest is
// done as in a backup.
import { lutimesSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { openCatalog, type Catalog } from '../catalog/open-catalog.js';
import { projectDir } from '../config/project-dir.js';
import { writeCatalogManifest } from '../operations/rebuild/catalog-manifest.js';
import { bytesUsed, makeUpSet, type MadeUpSet } from './made-up-set.js';
import { randomFrom } from './scale-trees.js';

const perFolder = 250;
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

function changeSome(): void {
  const random = randomFrom(2);
  for (let changed = 0; changed < count / 100; changed += 1)
    writeFileSync(pathOf(Math.floor(random() * count)), 'changed\n');
}

/** Bytes of the manifests of a set, as they are on tape. */
async function manifestBytes(catalog: Catalog, setId: string): Promise<number> {
  let bytes = 0;
  const manifest = path.join(root, 'manifest');
  const archives = catalog.selectFrom('archives').selectAll().where('set_id', '=', setId);
  for (const archive of await archives.execute()) {
    await writeCatalogManifest(catalog, archive, manifest);
    bytes += statSync(manifest).size;
    rmSync(manifest);
  }
  return bytes;
}

try {
  makeTree();
  const catalog = await openCatalog(file);
  const rows: { what: string; bytes: number; 'bytes/file': number; [other: string]: number | string }[] = [];
  let before = 0;
  let size = 0;
  const measure = async (what: string, mode: MadeUpSet['mode']) => {
    const began = performance.now();
    const random = randomFrom(1);
    // Nothing that another one resembles.
    const hashOf = () => Buffer.from(Array.from({ length: 32 }, () => random() * 256)).toString('hex');
    const setId = await makeUpSet(catalog, { tree, mode, tape: 'T', hashOf });
    const seconds = Number(((performance.now() - began) / 1000).toFixed(1));
    const now = bytesUsed(file);
    const bytes = now - before;
    const perFile = Number((bytes / count).toFixed(1));
    // Together with what is free in it for later sets: rows that a full set has until it is folded.
    const { size: sizeNow } = statSync(file);
    rows.push({
      ...{ what, bytes, 'bytes/file': perFile, 'file grows by': sizeNow - size, seconds },
      manifests: await manifestBytes(catalog, setId),
    });
    size = sizeNow;
    before = now;
  };
  await measure('the first set', 'full');
  await measure('incremental, nothing changed', 'incremental');
  changeSome();
  await measure('incremental, every hundredth file changed', 'incremental');
  await measure('a second full set', 'full');
  await measure('a third', 'full');
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
