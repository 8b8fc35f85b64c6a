// Bundles the compiled tests to dist/bundled-tests/, with the processes that they start. Plain Node.
import { readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundle } from './bundle.mjs';
import { bundledName, bundledTests, testFiles, testProcesses } from './test-files.mjs';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const support = path.join(root, 'test', 'support');
const processes = readdirSync(support)
  .filter((name) => name.endsWith('-process.ts'))
  .map((name) => [path.basename(name, '.ts'), `test/support/${name}`]);
const tests = testFiles().map((file) => [bundledName(file), file]);
const compiled = [...tests, ...processes].map(([name, file]) => [name, file.replace(/\.ts$/, '.js')]);
await bundle(bundledTests, Object.fromEntries(compiled));
for (const [name, files] of testProcesses()) {
  if (files.length < 2) continue;
  const imports = files.map((file) => `import './${bundledName(file)}.js';\n`);
  writeFileSync(path.join(root, 'dist', bundledTests, `${name}.js`), imports.join(''));
}
