// Which files `npm test` runs. Plain Node without packages.
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

/** The files of tests, as their sources are named: one whose source was deleted may live on in dist/. */
export function testFiles() {
  return ['unit', 'integration', 'faults'].flatMap((folder) =>
    readdirSync(path.join(root, 'test', folder))
      .filter((name) => name.endsWith('.test.ts'))
      .sort()
      .map((name) => `test/${folder}/${name}`),
  );
}

/** The folder of dist/ with the bundled tests. */
export const bundledTests = 'bundled-tests';

/** What the bundled file of one is called: of `test/unit/plan.test.ts`, `unit-plan.test`. */
export function bundledName(file) {
  return `${path.basename(path.dirname(file))}-${path.basename(file, '.ts')}`;
}
