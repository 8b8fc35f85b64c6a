// Compiles the project to dist/ and bundles the workflows once. Plain Node: runs before anything is built.
import { spawnSync } from 'node:child_process';
import { copyFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const require = createRequire(path.join(root, 'package.json'));

const compiled = spawnSync(process.execPath, [require.resolve('typescript/bin/tsc'), '-p', root], {
  stdio: 'inherit',
});
if (compiled.status !== 0) process.exit(compiled.status ?? 1);

const { bundleWorkflowCode } = await import(pathToFileURL(require.resolve('@temporalio/worker')).href);
const silent = { trace() {}, debug() {}, info() {}, warn: console.warn, error: console.error, log() {} };
const { code } = await bundleWorkflowCode({
  workflowsPath: path.join(root, 'dist', 'workflows', 'index.js'),
  workflowInterceptorModules: [path.join(root, 'dist', 'workflows', 'proof', 'interceptors.js')],
  logger: silent,
});
writeFileSync(path.join(root, 'dist', 'workflow-bundle.js'), code);
copyFileSync(path.join(root, 'package-lock.json'), path.join(root, 'dist', 'built-from-lock.json'));
