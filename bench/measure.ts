import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { projectDir } from '../config/project-dir.js';

/** What a command used, with everything that it has started. */
export interface Use {
  /** Wall time. */
  seconds: number;
  /** User and system time, in seconds. */
  cpu: number;
  /** Peak resident memory of its largest process, where GNU time is there to tell; else 0. */
  peakMb: number;
}

const gnuTime = '/usr/bin/time';

/** Runs a bash script to its end, and measures it. Throws when it, or any part of a pipe, fails. */
export function measure(script: string, env: Record<string, string> = {}): Use {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'tapeflow-measure-'));
  const file = path.join(folder, 'use');
  const bash = ['bash', '-o', 'pipefail', '-c', script];
  const timed = `TIMEFORMAT='%U %S 0'; time { ${script}\n} 2>&3`;
  const command = existsSync(gnuTime)
    ? [gnuTime, '-f', '%U %S %M', '-o', file, ...bash]
    : ['bash', '-o', 'pipefail', '-c', `{ ${timed}; } 3>&2 2>${quoted(file)}`];
  try {
    const began = performance.now();
    const { status, stderr, stdout } = spawnSync(command[0] ?? '', command.slice(1), {
      encoding: 'utf8',
      env: { ...process.env, ...env },
    });
    const seconds = (performance.now() - began) / 1000;
    if (status !== 0) throw new Error(`${script} failed (${status}): ${stderr}${stdout}`);
    const numbers = readFileSync(file, 'utf8').trim().split('\n').at(-1)?.split(' ').map(Number) ?? [];
    const [user = 0, system = 0, peakKb = 0] = numbers;
    return { seconds, cpu: user + system, peakMb: Math.round(peakKb / 1024) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** A word for bash. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** The command that runs a script of this folder. */
export function ourCommand(script: string, ...args: (string | number)[]): string {
  const words = [process.execPath, path.join(projectDir, 'dist', 'bench', script), ...args.map(String)];
  return words.map(quoted).join(' ');
}

/** True when a program is on the PATH. */
export function has(program: string): boolean {
  return spawnSync('bash', ['-c', `command -v ${quoted(program)}`]).status === 0;
}
