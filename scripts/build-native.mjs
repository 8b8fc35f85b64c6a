// Builds the native part (native/, a Rust crate) to node_modules/.tapeflow/native.node, where cargo is. Nothing depends
// on it, so a failure is only noted. Plain Node; cargo fetches the crates of native/Cargo.lock. `--built FILE`: the
// library that a cargo elsewhere has made already.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const crate = path.join(root, 'native');
const outDir = path.join(root, 'node_modules', '.tapeflow');
const addon = path.join(outDir, 'native.node');
/** `{key, reason}`: what was tried last, and why it failed; null when it did not. */
const record = path.join(outDir, 'native.json');
/** Cargo's own folder; not below node_modules, which npm empties while cargo is at work. */
const target = path.join(crate, 'target');
const log = path.join(target, 'build.log');

const libraries = { darwin: 'libtapeflow_native.dylib', win32: 'tapeflow_native.dll' };
const library = path.join(target, 'release', libraries[process.platform] ?? 'libtapeflow_native.so');

/** `CARGO`, or the first cargo on the PATH; undefined for none. */
function findCargo() {
  if (process.env.CARGO) return existsSync(process.env.CARGO) ? process.env.CARGO : undefined;
  const name = process.platform === 'win32' ? 'cargo.exe' : 'cargo';
  const folders = (process.env.PATH ?? '').split(path.delimiter).filter((folder) => folder !== '');
  return folders.map((folder) => path.join(folder, name)).find((file) => existsSync(file));
}

function sources(dir) {
  return readdirSync(dir, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) =>
      entry.isDirectory() ? sources(path.join(dir, entry.name)) : [path.join(dir, entry.name)],
    );
}

/** What a build depends on, and whether there is a cargo. Node-API is the same in every version of Node. */
function nativeKey() {
  const hash = createHash('sha256').update(`${process.platform} ${process.arch} ${findCargo() ?? ''}`);
  const files = ['Cargo.toml', 'Cargo.lock', 'build.rs'].map((name) => path.join(crate, name));
  for (const file of [...files, ...sources(path.join(crate, 'src')), fileURLToPath(import.meta.url)])
    hash.update(path.relative(root, file)).update('\0').update(readFileSync(file)).update('\0');
  return hash.digest('hex');
}

/** True when this version was built here, or could not be. */
export function isNativeTried() {
  if (!existsSync(path.join(crate, 'Cargo.toml'))) return true;
  try {
    const { key, reason } = JSON.parse(readFileSync(record, 'utf8'));
    return key === nativeKey() && (reason !== null || existsSync(addon));
  } catch {
    return false;
  }
}

/** Begins to build, beside whatever else goes on; `finishNative` takes what it returns. */
export function beginNative() {
  const cargo = findCargo();
  if (cargo === undefined) return Promise.resolve('cargo, which comes with Rust, is not on the PATH');
  mkdirSync(target, { recursive: true });
  // To a file: a pipe that nobody reads for a while would stop cargo.
  const output = openSync(log, 'w');
  const args = ['build', '--release', '--locked', '--quiet', '--target-dir', target];
  const child = spawn(cargo, args, { cwd: crate, stdio: ['ignore', output, output] });
  closeSync(output);
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(`${cargo} does not start (${error.code})`));
    child.once('close', (code) => resolve(code === 0 ? null : `cargo failed: ${firstProblem()}`));
  });
}

/** What the log says was wrong. */
function firstProblem() {
  const lines = readFileSync(log, 'utf8').split('\n');
  return (lines.find((line) => line.startsWith('error')) ?? lines[0] ?? '').replace(/[.:\s]+$/, '');
}

/** Puts what was built into its place, or notes why there is nothing. */
export async function finishNative(building, made = library) {
  let reason = await building;
  mkdirSync(outDir, { recursive: true });
  rmSync(addon, { force: true });
  if (reason === null) {
    const fresh = `${addon}.${process.pid}`;
    copyFileSync(made, fresh);
    // In a process of its own: a bad one must not take the set-up with it.
    const loading = `process.dlopen({ exports: {} }, ${JSON.stringify(fresh)})`;
    if (spawnSync(process.execPath, ['-e', loading]).status === 0) renameSync(fresh, addon);
    else {
      rmSync(fresh);
      reason = 'it was built, but Node cannot load it';
    }
  }
  writeFileSync(record, `${JSON.stringify({ key: nativeKey(), reason })}\n`);
  if (reason !== null)
    console.error(`The native part was not built: ${reason}. Everything works without it, more slowly.`);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [flag, file] = process.argv.slice(2);
  await (flag === '--built' ? finishNative(Promise.resolve(null), file) : finishNative(beginNative()));
}
