// Compiles the native addon (archive/native/) to node_modules/.tapeflow/native.node, where a C compiler and Node's headers
// are. Nothing depends on it, so a failure is only noted. Plain Node, no network.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
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

/** Node's installations and its packages for Linux have the headers beside the executable. */
function headers() {
  const prefix = path.dirname(path.dirname(process.execPath));
  return [path.join(prefix, 'include', 'node'), '/usr/include/node', '/usr/include/nodejs/src'].find((dir) =>
    existsSync(path.join(dir, 'node_api.h')),
  );
}

/** Why it could not be built; null when it was. */
function build() {
  if (process.platform !== 'linux' && process.platform !== 'darwin')
    return `it is not built on ${process.platform}`;
  const include = headers();
  if (include === undefined) return "Node's headers (node_api.h) are not beside it";
  const compiler = process.env['CC'] ?? 'cc';
  const link =
    process.platform === 'darwin'
      ? ['-bundle', '-undefined', 'dynamic_lookup']
      : ['-shared', '-Wl,-z,now', '-Wl,-z,relro'];
  const flags = [
    '-std=gnu11',
    '-O2',
    '-DNDEBUG',
    '-DNAPI_VERSION=8',
    '-fPIC',
    '-fvisibility=hidden',
    ...link,
  ];
  const fresh = path.join(outDir, `native-${process.pid}.node`);
  const files = sources(nativeDir).filter((file) => file.endsWith('.c'));
  const compiled = spawnSync(compiler, [...flags, `-I${include}`, '-o', fresh, ...files], {
    encoding: 'utf8',
  });
  if (compiled.error !== undefined) return `there is no C compiler (${compiler}: ${compiled.error.code})`;
  if (compiled.status !== 0) return `${compiler} failed: ${compiled.stderr.trim().split('\n')[0]}`;
  // In a process of its own: a bad one must not take the set-up with it.
  const loaded = spawnSync(process.execPath, ['-e', `require(${JSON.stringify(fresh)})`]);
  if (loaded.status !== 0) {
    rmSync(fresh, { force: true });
    return 'it was built, but Node cannot load it';
  }
  renameSync(fresh, addon);
  return null;
}

export function buildNative() {
  mkdirSync(outDir, { recursive: true });
  rmSync(addon, { force: true });
  const reason = build();
  writeFileSync(record, `${JSON.stringify({ key: nativeKey(), reason })}\n`);
  if (reason !== null)
    console.error(`The native addon was not built: ${reason}. Everything works without it, more slowly.`);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) buildNative();
