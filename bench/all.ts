// Every benchmark with its default sizes, then the plots: `npm run bench -- all`
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { projectDir } from '../config/project-dir.js';

for (const name of ['archive', 'restore', 'copy', 'pipeline', 'scale', 'catalog', 'plot']) {
  console.log(`\n── ${name}`);
  const { status } = spawnSync(process.execPath, [path.join(projectDir, 'dist', 'bench', `${name}.js`)], {
    stdio: 'inherit',
  });
  if (status !== 0) process.exitCode = 1;
}
