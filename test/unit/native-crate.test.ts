import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import semver from 'semver';
import { projectDir, projectVersion } from '../../config/project-dir.js';

const crate = path.join(projectDir, 'native');

interface Metadata {
  packages: { name: string; version: string; rust_version: string | null; source: string | null }[];
}

/** What cargo says of the crate and all that it needs; undefined without cargo, or where the crates cannot be had. */
function metadata(): Metadata | undefined {
  try {
    const args = ['metadata', '--locked', '--format-version', '1'];
    const options = { cwd: crate, maxBuffer: 1 << 26, encoding: 'utf8', stdio: 'pipe' } as const;
    return JSON.parse(execFileSync('cargo', args, options)) as Metadata;
  } catch {
    return undefined;
  }
}

/** Cargo may leave out what is 0. */
const isAtLeast = (version: string, least: string) =>
  semver.gte(semver.coerce(version) ?? '', semver.coerce(least) ?? '');

test('the crate has the version of the program', () => {
  const manifest = readFileSync(path.join(crate, 'Cargo.toml'), 'utf8');
  assert.equal(/^version = "(.+)"$/m.exec(manifest)?.[1], projectVersion);
});

test('the lowest Rust that the crate asks for is enough for every crate that it needs', (t) => {
  const known = metadata();
  if (known === undefined) return t.skip('needs cargo and the crates');
  const own = known.packages.find(({ name }) => name === 'tapeflow-native');
  const least = own?.rust_version;
  assert.ok(least, 'the crate names no lowest Rust');
  assert.ok(known.packages.length > 10);
  for (const { name, version, rust_version: asked } of known.packages)
    assert.ok(asked === null || isAtLeast(least, asked), `${name} ${version} asks for ${asked}`);
  const dockerfile = readFileSync(path.join(projectDir, 'Dockerfile'), 'utf8');
  const image = /^ARG RUST_VERSION=(\d+\.\d+\.\d+)$/m.exec(dockerfile)?.[1];
  assert.ok(image !== undefined && isAtLeast(image, least), 'the Dockerfile builds it with an older one');
});
