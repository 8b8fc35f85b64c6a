import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { TapeflowFailure } from '../../config/failures.js';
import { cliHashes, cliVersion, oldestCli } from '../../embedded/cli-release.js';
import { obtainCli } from '../../embedded/obtain-cli.js';
import type { CliLocations } from '../../embedded/cli-sources.js';
import { tempFolder } from '../support/trees.js';

const program = 'the true program';
const hash = createHash('sha256').update(program).digest('hex');

/** Sources where every way fails, unless a test makes one work; `tried` is what was asked for. */
function sources(t: TestContext, ways: Partial<CliLocations> = {}): CliLocations & { tried: string[] } {
  const tried: string[] = [];
  const note = <Args extends unknown[], Result>(
    name: string,
    way: ((...args: Args) => Promise<Result>) | undefined,
  ) => {
    return async (...args: Args): Promise<Result> => {
      tried.push(name);
      if (way === undefined) throw Object.assign(new Error('none'), { code: 'ENOENT' });
      return way(...args);
    };
  };
  return {
    ...{
      tried,
      given: undefined,
      cacheDir: path.join(tempFolder(t), 'tools'),
      platform: 'linux',
      arch: 'x64',
    },
    ...{ hashes: { 'linux-x64': hash }, say: () => undefined },
    ...ways,
    versionOf: note('version', ways.versionOf),
    download: note('download', ways.download),
    fromWheel: note('wheel', ways.fromWheel),
  };
}

const gives = (content: string) => async (folder: string) => {
  writeFileSync(path.join(folder, 'temporal'), content);
  return path.join(folder, 'temporal');
};

test('a given path is trusted and nothing else is tried; one that cannot be run is a usage error', async (t) => {
  const one = sources(t, { given: '/x/temporal', versionOf: async () => '0.1.0' });
  assert.equal(await obtainCli(one), '/x/temporal');
  assert.deepEqual(one.tried, ['version']);
  await assert.rejects(
    obtainCli(sources(t, { given: '/x' })),
    (error) => error instanceof TapeflowFailure && error.kind === 'usage',
  );
});

test('one on the PATH is taken if it is new enough', async (t) => {
  for (const version of [oldestCli, '1.10.0', '2.0.0'])
    assert.equal(await obtainCli(sources(t, { versionOf: async () => version })), 'temporal', version);
  for (const version of ['1.0.0', '1.2.10', '0.20.0']) {
    const old = sources(t, { versionOf: async () => version, download: gives(program) });
    assert.match(await obtainCli(old), /tools/, version);
  }
});

test('the kept copy comes before a download, and is not trusted without its hash', async (t) => {
  const fresh = sources(t, { download: gives(program) });
  const kept = await obtainCli(fresh);
  assert.deepEqual(fresh.tried, ['version', 'download']);
  assert.equal(readFileSync(kept, 'utf8'), program);
  const again = sources(t, { cacheDir: fresh.cacheDir });
  assert.equal(await obtainCli(again), kept);
  assert.deepEqual(again.tried, ['version']);
  writeFileSync(kept, 'tampered with');
  const mended = sources(t, { cacheDir: fresh.cacheDir, fromWheel: gives(program) });
  assert.equal(await obtainCli(mended), kept);
  assert.deepEqual(mended.tried, ['version', 'download', 'wheel']);
  assert.equal(readFileSync(kept, 'utf8'), program);
});

test('a download with a wrong hash is an error at once, and leaves nothing behind', async (t) => {
  const wrong = sources(t, { download: gives('something else'), fromWheel: gives(program) });
  await assert.rejects(
    obtainCli(wrong),
    (error) => error instanceof TapeflowFailure && error.code === 'WrongHash',
  );
  assert.deepEqual(wrong.tried, ['version', 'download']);
  assert.deepEqual(readdirSync(wrong.cacheDir), []);
});

test('when every way fails, the message says what was tried and what to do', async (t) => {
  const none = sources(t);
  mkdirSync(none.cacheDir, { recursive: true });
  await assert.rejects(obtainCli(none), (error) => {
    assert.ok(error instanceof TapeflowFailure);
    assert.match(error.message, /temporal on the PATH .*tools.*official download .*wheel/);
    assert.match(error.advice ?? '', /TEMPORAL_CLI_PATH/);
    return true;
  });
});

test('every platform that we name has a pinned hash', () => {
  assert.match(cliVersion, /^\d+\.\d+\.\d+$/);
  for (const platform of ['linux-x64', 'linux-arm64', 'darwin-x64', 'darwin-arm64']) {
    assert.match(cliHashes[platform] ?? '', /^[0-9a-f]{64}$/, platform);
  }
});
