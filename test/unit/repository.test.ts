import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { projectDir } from '../../config/project-dir.js';

/** The text files of the repository, with what is in them; undefined where this is no clone. */
function textFiles(): { name: string; text: string }[] | undefined {
  const { status, stdout } = spawnSync('git', ['ls-files', '-z'], { cwd: projectDir, encoding: 'utf8' });
  if (status !== 0) return undefined;
  return stdout
    .split('\0')
    .filter((name) => name !== '' && existsSync(path.join(projectDir, name)))
    .map((name) => ({ name, bytes: readFileSync(path.join(projectDir, name)) }))
    .filter(({ bytes }) => !bytes.includes(0))
    .map(({ name, bytes }) => ({ name, text: bytes.toString('utf8') }));
}

/** Where an address may lead: to this machine, to a specification or a licence, to Temporal's own pages. */
const hosts = new Set([
  ...[
    '127.0.0.1',
    'localhost',
    'json-schema.org',
    'semver.org',
    'www.w3.org',
    'www.apache.org',
    'bford.info',
  ],
  ...['temporal.download', 'temporal.io'],
]);

/** Cargo's name for where crates come from, whatever mirror is used. It takes no lock file without it. */
const cargoSource = `source = "registry+https:${'//'}github.com/rust-lang/crates.io-index"`;

test('no file names the host of a registry, so that every machine takes its own', (t) => {
  const files = textFiles();
  if (files === undefined) return t.skip('needs git, and a clone');
  for (const { name, text } of files) {
    if (name === 'package-lock.json') {
      assert.doesNotMatch(text, /"resolved"/, 'npm adds it unless `omit-lockfile-registry-resolved` is set');
      continue;
    }
    const told = name === 'native/Cargo.lock' ? text.replaceAll(cargoSource, '') : text;
    for (const [address, host = ''] of told.matchAll(/\b[a-z]+:\/\/([\w.-]*\w)/g))
      assert.ok(hosts.has(host) || !host.includes('.'), `${name} names ${address}`);
    assert.doesNotMatch(
      told,
      /\b(?:registry|index|crates|static|proxy|files)\.[\w-]+\.(?:org|io|com|dev)\b/,
      name,
    );
  }
});

test('no file was written by somebody else, except the licence', (t) => {
  const files = textFiles();
  if (files === undefined) return t.skip('needs git, and a clone');
  assert.ok(files.length > 100);
  for (const { name, text } of files) {
    assert.doesNotMatch(name, /(?:^|\/)(?:node_modules|vendor(?:ed)?|third[-_]party|external)\//);
    if (name !== 'LICENSE')
      assert.doesNotMatch(text, /\bcopyrigh[t] (?:\(c\)|©|by|\d)|SPDX-[L]icense|@[l]icense/i, name);
  }
});

/** The packages that a compiled module needs, and what it imports in its turn. */
function packagesOf(module: string, seen = new Set<string>(), packages = new Set<string>()): Set<string> {
  if (seen.has(module)) return packages;
  seen.add(module);
  const imports = readFileSync(module, 'utf8').matchAll(/^(?:import|export)\b[^;'=]*'([^']+)';$/gm);
  for (const [, name = ''] of imports) {
    if (name.startsWith('.')) packagesOf(path.resolve(path.dirname(module), name), seen, packages);
    else if (!name.startsWith('node:')) packages.add(name);
  }
  return packages;
}

test('the threads that pack and unpack load little: zod alone would take 55 ms of each', () => {
  const packagesOfThread = (thread: string) => packagesOf(path.join(projectDir, 'dist', 'archive', thread));
  assert.deepEqual([...packagesOfThread('unpack/unpack-thread.js')], []);
  const ofPack = packagesOfThread('pack/pack-thread.js');
  assert.ok(ofPack.has('tar/header'));
  for (const name of ofPack) assert.ok(['ignore', 'tar/header'].includes(name), name);
});

test('lists from the catalog load neither the SDK nor the tables of emoji, which take longer than they do', () => {
  for (const command of ['set/sets', 'set/status', 'schedule/schedule']) {
    const packages = packagesOf(path.join(projectDir, 'dist', 'client', 'commands', `${command}.js`));
    assert.ok(packages.has('kysely'), command);
    for (const name of ['@temporalio/client', '@temporalio/common', '@temporalio/workflow', 'string-width'])
      assert.ok(!packages.has(name), `${command} loads ${name}`);
  }
});

test('the bundled program has every module that another finds beside itself', (t) => {
  const files = textFiles();
  if (files === undefined) return t.skip('needs git, and a clone');
  const beside = files
    .filter(({ name }) => name.endsWith('.ts') && !/^(?:test|bench)\//.test(name))
    .flatMap(({ text }) => [...text.matchAll(/new URL\('\.\/([^']+)', import\.meta\.url\)/g)])
    .map(([, module = '']) => module);
  assert.ok(beside.includes('scan-thread.js'));
  const bundled = new Set(readdirSync(path.join(projectDir, 'dist', 'program')));
  // The SDK looks for the last one, which no test of ours names.
  for (const module of [...beside, 'main.js', 'workflow-worker-thread.js'])
    assert.ok(bundled.has(module), `scripts/build.mjs has no entry for ${module}`);
});
