// Compiles the project to dist/, bundles the program to dist/program/, and the workflows to dist/workflow-bundle.js.
// Plain Node: runs before anything is built.
import { spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { bundle } from './bundle.mjs';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const require = createRequire(path.join(root, 'package.json'));
const dist = path.join(root, 'dist');

const compiled = spawnSync(process.execPath, [require.resolve('typescript/bin/tsc'), '-p', root], {
  stdio: 'inherit',
});
if (compiled.status !== 0) process.exit(compiled.status ?? 1);
await bundle('program', { main: 'client/main.js' });
await describeCommands();
copyPageAssets();
copyCatalogues();
await bundleWorkflows();
copyFileSync(path.join(root, 'package-lock.json'), path.join(dist, 'built-from-lock.json'));

/** Puts the files of the web page in one folder, from which it serves them: its own, and those that plot. */
function copyPageAssets() {
  const folder = path.join(dist, 'web', 'assets');
  rmSync(folder, { recursive: true, force: true });
  cpSync(path.join(root, 'web', 'assets'), folder, { recursive: true });
  for (const name of ['uPlot.iife.min.js', 'uPlot.min.css'])
    copyFileSync(require.resolve(`uplot/dist/${name}`), path.join(folder, name));
}

/** Puts the catalogues of messages beside the program, which reads that of the language that it speaks. */
function copyCatalogues() {
  const folder = path.join(dist, 'messages');
  cpSync(path.join(root, 'messages'), folder, { recursive: true, filter: (file) => !file.endsWith('.ts') });
}

/** Writes what completions and the manual page tell of the commands. */
async function describeCommands() {
  const load = (name) => import(pathToFileURL(path.join(dist, 'client', name)).href);
  const { wholeProgram } = await load('program.js');
  const { commandTree } = await load('command-tree.js');
  const tree = commandTree(await wholeProgram());
  writeFileSync(path.join(dist, 'program', 'command-tree.json'), JSON.stringify(tree));
}

async function bundleWorkflows() {
  const { bundleWorkflowCode } = await import(pathToFileURL(require.resolve('@temporalio/worker')).href);
  const silent = { trace() {}, debug() {}, info() {}, warn: console.warn, error: console.error, log() {} };
  const { code } = await bundleWorkflowCode({
    workflowsPath: path.join(dist, 'workflows', 'index.js'),
    workflowInterceptorModules: [path.join(dist, 'workflows', 'proof', 'interceptors.js')],
    logger: silent,
  });
  writeFileSync(path.join(dist, 'workflow-bundle.js'), code);
}
