// Writes modules, and those of the packages that they need, in few files: every process and thread loads them in about
// half the time that a thousand files take. Plain Node.
import { rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const require = createRequire(path.join(root, 'package.json'));
const dist = path.join(root, 'dist');

/** What runs in threads and processes of its own. */
const threads = [
  'archive/pack/pack-thread.js',
  'archive/unpack/unpack-thread.js',
  'source/scan-thread.js',
  'source/base-thread.js',
  'source/write-thread.js',
  'tape/drives/drive-process.js',
];

/** Packages that have a native part, or look for files in their own folder. */
const ownFolder = [
  ...['better-sqlite3', 'pino', 'pino-pretty', 'pg-native', 'source-map'],
  // Of tests.
  ...['typescript', 'playwright-core'],
];

/**
 * Bundles modules of dist/ into a folder of it, under new names, with all that runs in threads. All files lie side by
 * side, so that what a module finds beside itself (`new URL('./scan-thread.js', import.meta.url)`) is there.
 */
export async function bundle(name, entries) {
  const { build } = await import(pathToFileURL(require.resolve('esbuild')).href);
  const folder = path.join(dist, name);
  rmSync(folder, { recursive: true, force: true });
  const compiled = (files) =>
    Object.fromEntries(Object.entries(files).map(([to, file]) => [to, path.join(dist, file)]));
  const ofThreads = compiled(Object.fromEntries(threads.map((file) => [path.basename(file, '.js'), file])));
  // The SDK runs workflows in this one, which it looks for beside its own file.
  ofThreads['workflow-worker-thread'] = sdkFile('workflow/workflow-worker-thread.js');
  const options = {
    outdir: folder,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    sourcemap: true,
    logLevel: 'warning',
    external: ownFolder,
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
  };
  await build({ ...options, entryPoints: compiled(entries), splitting: true });
  // Each in one file: a set starts them again and again, and to find thirty files takes as long as to load one.
  await build({ ...options, entryPoints: ofThreads, splitting: false });
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
