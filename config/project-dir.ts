import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of the project: the nearest one above this file that has `package.json`, outside `dist/`. */
export const projectDir: string = (() => {
  let dir = path.dirname(fileURLToPath(import.meta.url));
  while (!existsSync(path.join(dir, 'package.json')) && path.dirname(dir) !== dir) dir = path.dirname(dir);
  return dir;
})();

/** Version of this program, as `package.json` has it. */
export const projectVersion: string = (
  JSON.parse(readFileSync(path.join(projectDir, 'package.json'), 'utf8')) as { version: string }
).version;
