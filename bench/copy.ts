// Copying to tape, against dd and cp: `npm run bench -- copy [--size 1GB] [--speed 300MB] [--rounds 3] [--dir FOLDER]`
//   --speed  bytes in a second that the throttled drive takes
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { projectDir } from '../config/project-dir.js';
import { noiseOf } from './corpora.js';
import { quoted } from './measure.js';
import { Report, bytesOf, median, readOptions, rounded } from './report.js';
import { mountSlowTape } from './slow-tape.js';

const options = readOptions({ size: '1GB', speed: '300MB', rounds: '3', dir: os.tmpdir() });
const root = mkdtempSync(path.join(options.dir, 'tapeflow-bench-'));
const report = new Report('copy', options);
const bytes = bytesOf(options.size);
const source = path.join(root, 'archive');

/** Seconds of a bash script. */
function seconds(script: string): number {
  const began = performance.now();
  execFileSync('bash', ['-c', script], { stdio: ['ignore', 'ignore', 'ignore'] });
  return (performance.now() - began) / 1000;
}

function ours(sha256: string, mount: string): number {
  const script = path.join(projectDir, 'dist', 'bench', 'copy-step.js');
  const { stdout, stderr, status } = spawnSync(process.execPath, [script, source, sha256, mount], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(stderr);
  return Number(stdout);
}

/** All alternately into one folder; what was copied is deleted outside the measurement. */
function compare(title: string, mount: string, sha256: string): void {
  const [from, to] = [quoted(source), quoted(path.join(mount, 'peer'))];
  const runs: Record<string, () => number> = {
    'dd bs=1M conv=fsync': () => seconds(`dd if=${from} of=${to} bs=1M conv=fsync`),
    'cp, then fsync': () => seconds(`cp ${from} ${to} && sync ${to}`),
    'tapeflow (with SHA-256)': () => ours(sha256, mount),
  };
  const times = Object.fromEntries(Object.keys(runs).map((name) => [name, [] as number[]]));
  for (let i = 0; i < Number(options.rounds); i += 1) {
    for (const [name, run] of Object.entries(runs)) {
      times[name]?.push(run());
      for (const made of ['peer', 'ours']) rmSync(path.join(mount, made), { recursive: true, force: true });
    }
  }
  const dd = Object.values(times)[0] ?? [];
  report.show(
    title,
    Object.entries(times).map(([what, list]) => ({
      what,
      'MB/s': rounded(bytes / 1e6 / median(list), 1),
      'speed, of dd': rounded(median(list.map((time, i) => (dd[i] ?? 0) / time)), 3),
    })),
  );
}

try {
  const piece = noiseOf(Math.min(bytes, 64 * 1024 * 1024), 1);
  for (let done = 0; done < bytes; done += piece.length)
    writeFileSync(source, piece.subarray(0, bytes - done), { flag: 'a' });
  const sha256 = execFileSync('sha256sum', [source], { encoding: 'utf8' }).slice(0, 64);
  const disk = path.join(root, 'disk');
  mkdirSync(disk);
  compare('an ordinary disk', disk, sha256);
  const tape = await mountSlowTape(path.join(root, 'tape'), bytesOf(options.speed));
  if (tape !== undefined) {
    try {
      compare(`a FUSE drive that takes ${options.speed}/s`, tape.mount, sha256);
    } finally {
      await tape.eject();
    }
  }
  report.write();
} finally {
  rmSync(root, { recursive: true, force: true });
}
