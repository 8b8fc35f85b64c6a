// Compiles the native addon (archive/native/) to node_modules/.tapeflow/native.node, where a C compiler and Node's headers
// are. Nothing depends on it, so a failure is only noted. Plain Node, no network.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { cpus } from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const nativeDir = path.join(root, 'archive', 'native');
const outDir = path.join(root, 'node_modules', '.tapeflow');
const addon = path.join(outDir, 'native.node');
/** `{key, reason}`: what was tried last, and why it failed; null when it did not. */
const record = path.join(outDir, 'native.json');

/** What a build depends on. Node-API is the same in every version of Node, so its version is not part of it. */
export function nativeKey() {
  const hash = createHash('sha256').update(`${process.platform} ${process.arch}`);
  for (const file of [...sources(nativeDir), fileURLToPath(import.meta.url)])
    hash.update(path.relative(root, file)).update('\0').update(readFileSync(file)).update('\0');
  return hash.digest('hex');
}

/** True when this version was built here, or could not be. */
export function isNativeTried() {
  if (!existsSync(nativeDir)) return true;
  try {
    const { key, reason } = JSON.parse(readFileSync(record, 'utf8'));
    return key === nativeKey() && (reason !== null || existsSync(addon));
  } catch {
    return false;
  }
}

function sources(dir) {
  return readdirSync(dir, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const file = path.join(dir, entry.name);
      return entry.isDirectory() ? sources(file) : /\.[ch]$/.test(entry.name) ? [file] : [];
    });
}

/** The folder of this Node: its installations and its packages for Linux have the headers beside the executable. */
export const nodeFolder = path.dirname(path.dirname(process.execPath));

function headers() {
  return [path.join(nodeFolder, 'include', 'node'), '/usr/include/node', '/usr/include/nodejs/src'].find(
    (dir) => existsSync(path.join(dir, 'node_api.h')),
  );
}

const compileFlags = [
  ...['-std=gnu11', '-O2', '-fPIC', '-fvisibility=hidden', '-DNDEBUG', '-DNAPI_VERSION=8'],
  // zstd without its assembler file, and with nothing that Node's own copy of it could be taken for.
  ...['-DZSTD_DISABLE_ASM', '-DZSTD_TRACE=0', '-DZSTDLIB_VISIBLE=', '-DZSTDERRORLIB_VISIBLE='],
];

/** What deflate-tuning.c includes. */
const included = path.join('lib', 'deflate_compress.c');

/** Runs the compiler; what it says when it fails, else undefined. */
function compile(compiler, args) {
  return new Promise((resolve) => {
    const child = spawn(compiler, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    let text = '';
    child.stderr.setEncoding('utf8').on('data', (more) => (text += more));
    child.once('error', (error) => resolve(`there is no C compiler (${compiler}: ${error.code})`));
    child.once('close', (code) => {
      const why = text.split('\n').find((line) => line.includes('error')) ?? text.trim().split('\n')[0];
      resolve(code === 0 ? undefined : `${compiler} failed: ${why}`);
    });
  });
}

/** Why it could not be built; null when it was. */
async function build() {
  if (process.platform !== 'linux' && process.platform !== 'darwin')
    return `it is not built on ${process.platform}`;
  const include = headers();
  if (include === undefined) return "Node's headers (node_api.h) are not beside it";
  const compiler = process.env['CC'] ?? 'cc';
  const link =
    process.platform === 'darwin'
      ? ['-bundle', '-undefined', 'dynamic_lookup']
      : ['-shared', '-Wl,-z,now', '-Wl,-z,relro'];
  const folder = mkdtempSync(path.join(outDir, 'native-'));
  try {
    const fresh = path.join(folder, 'native.node');
    const objectOf = (file) =>
      path.join(folder, `${path.relative(nativeDir, file).replaceAll(path.sep, '-')}.o`);
    const files = sources(nativeDir).filter((file) => file.endsWith('.c') && !file.endsWith(included));
    const left = [...files];
    let problem;
    // One file after the other on each core.
    const core = async () => {
      for (let file; problem === undefined && (file = left.shift()) !== undefined;) {
        const args = [...compileFlags, `-I${include}`, '-c', '-o', objectOf(file), file];
        problem ??= await compile(compiler, args);
      }
    };
    await Promise.all(cpus().map(core));
    problem ??= await compile(compiler, [...link, '-o', fresh, ...files.map(objectOf)]);
    if (problem !== undefined) return problem;
    // In a process of its own: a bad one must not take the set-up with it.
    const loaded = spawnSync(process.execPath, ['-e', `require(${JSON.stringify(fresh)})`]);
    if (loaded.status !== 0) return 'it was built, but Node cannot load it';
    renameSync(fresh, addon);
    return null;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export async function buildNative() {
  mkdirSync(outDir, { recursive: true });
  rmSync(addon, { force: true });
  const reason = await build();
  writeFileSync(record, `${JSON.stringify({ key: nativeKey(), reason })}\n`);
  if (reason !== null)
    console.error(`The native addon was not built: ${reason}. Everything works without it, more slowly.`);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await buildNative();
