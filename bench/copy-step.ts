// One staged file to a tape's folder, as the tape worker does it: node dist/bench/copy-step.js FILE SHA256 MOUNT
// Prints the seconds that it took: a worker runs already when an archive comes, so Node's own start does not count.
import { statSync } from 'node:fs';
import path from 'node:path';
import { confirmMedium, rootKey } from '../tape/drives/drive.js';
import { openTapeFolder, writeFileToTape } from '../tape/files/write-archive.js';

const [file = '', sha256 = '', mount = ''] = process.argv.slice(2);
const settings = { name: 'bench', path: mount, kind: 'directory' as const, ours: false };
const medium = { key: await rootKey(mount), volume: null };
const began = performance.now();
const options = {
  mountPoint: mount,
  setId: 'ours',
  token: 'bench',
  guard: () => undefined,
  confirm: () => confirmMedium(settings, medium),
};
const name = path.basename(file);
const folder = await openTapeFolder(options, [name]);
await writeFileToTape({ name, path: file, size: statSync(file).size, sha256 }, folder, options);
console.log((performance.now() - began) / 1000);
