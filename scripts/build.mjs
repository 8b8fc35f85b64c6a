// Compiles the project to dist/, bundles the program to dist/program/, and the workflows to dist/workflow-bundle.js.
// Plain Node: runs before anything is built.
import { spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const require = createRequire(path.join(root, 'package.json'));
const dist = path.join(root, 'dist');

const compiled = spawnSync(process.execPath, [require.resolve('typescript/bin/tsc'), '-p', root], {
  stdio: 'inherit',
});
if (compiled.status !== 0) process.exit(compiled.status ?? 1);
await bundleProgram();
await describeCommands();
copyPageAssets();
copyCatalogues();
await bundleWorkflows();
copyFileSync(path.join(root, 'package-lock.json'), path.join(dist, 'built-from-lock.json'));

/**
 * Writes dist/program/: the same modules, and those of the packages, in few files. Every process and thread loads them
 * in about half the time that a thousand files take. All files lie side by side, so that what a module finds beside
 * itself (`new URL('./scan-thread.js', import.meta.url)`) is there.
 */
async function bundleProgram() {
  const { build } = await import(pathToFileURL(require.resolve('esbuild')).href);
  const folder = path.join(dist, 'program');
  rmSync(folder, { recursive: true, force: true });
  const entries = [
    'client/main.js',
    // What runs in threads and processes of its own.
    'archive/pack/pack-thread.js',
    'archive/unpack/unpack-thread.js',
    'source/scan-thread.js',
    'source/base-thread.js',
    'source/write-thread.js',
    'tape/drives/drive-process.js',
  ].map((name) => path.join(dist, name));
  // The SDK runs workflows in this one, which it looks for beside its own file.
  entries.push(sdkFile('workflow/workflow-worker-thread.js'));
  await build({
    entryPoints: Object.fromEntries(entries.map((file) => [path.basename(file, '.js'), file])),
    outdir: folder,
    bundle: true,
    splitting: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    sourcemap: true,
    logLevel: 'warning',
    // What has a native part, or looks for files in its own folder.
    external: ['better-sqlite3', 'pino', 'pino-pretty', 'pg-native', 'source-map'],
    plugins: [
      { name: 'temporal', setup: splitSdk },
      { name: 'zod-locales', setup: leaveLocalesOut },
    ],
    // What the packages that are CommonJS expect.
    banner: {
      js: [
        "import { createRequire as requireForPackages } from 'node:module';",
        "import { fileURLToPath as pathForPackages } from 'node:url';",
        'const require = requireForPackages(import.meta.url);',
        "const __dirname = pathForPackages(new URL('.', import.meta.url));",
      ].join('\n'),
    },
  });
}

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

/** A file of the package `@temporalio/worker`. */
function sdkFile(name) {
  return path.join(path.dirname(require.resolve('@temporalio/worker')), name);
}

/** Leaves out of the SDK what finds its native part, and its bundler of workflows, which only the build needs. */
function splitSdk(build) {
  build.onResolve({ filter: /^\.\/common$/ }, ({ importer }) =>
    /[\\/]@temporalio[\\/]core-bridge[\\/]/.test(importer)
      ? { path: '@temporalio/core-bridge/common.js', external: true }
      : undefined,
  );
  build.onLoad({ filter: /[\\/]worker[\\/]lib[\\/]workflow[\\/]bundler\.js$/ }, () => ({
    contents: 'exports.defaultWorkflowInterceptorModules = [];',
  }));
}

/** zod's messages in sixty languages are two thirds of it, and every process would read them. Ours are English. */
function leaveLocalesOut(build) {
  build.onLoad({ filter: /[\\/]zod[\\/]v4[\\/]locales[\\/]index\.js$/ }, () => ({
    contents: "export { default as en } from './en.js';",
  }));
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
