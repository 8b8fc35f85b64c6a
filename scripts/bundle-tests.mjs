// Bundles the compiled tests to dist/bundled-tests/, with the processes that they start. Plain Node.
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundle } from './bundle.mjs';
import { bundledName, bundledTests, testFiles } from './test-files.mjs';

const support = path.join(path.dirname(path.dirname(fileURLToPath(import.meta.url))), 'test', 'support');
const processes = readdirSync(support)
  .filter((name) => name.endsWith('-process.ts'))
  .map((name) => [path.basename(name, '.ts'), `test/support/${name}`]);
const tests = testFiles().map((file) => [bundledName(file), file]);
const compiled = [...tests, ...processes].map(([name, file]) => [name, file.replace(/\.ts$/, '.js')]);
await bundle(bundledTests, Object.fromEntries(compiled));
