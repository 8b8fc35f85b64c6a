import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { projectDir } from '../config/project-dir.js';

export interface ProcessUse {
  role: string;
  /** User and system time, in seconds, as it was at the last look. */
  cpu: number;
  /** Peak of its resident memory. */
  peakMb: number;
}

export interface BackupUse {
  seconds: number;
  status: string;
  files: number;
  groups: number;
  processes: ProcessUse[];
}

const lookEveryMs = 250;
/** Clock ticks of `/proc/PID/stat` in a second, on every Linux that Node runs on. */
const ticks = 100;

/** Backs up a source with an installation of its own, and looks at what each of its processes uses. Linux only. */
export async function backUp(source: string, settings: Record<string, string>): Promise<BackupUse> {
  const root = mkdtempSync(path.join(os.tmpdir(), 'tapeflow-bench-'));
  const data = path.join(root, 'data');
  const env = {
    ...process.env,
    ...{ TAPEFLOW_DATA_DIR: data, BACKUP_COMPRESS_DIR: path.join(root, 'staging') },
    TAPEFLOW_LOCK_DIR: path.join(root, 'locks'),
    ...settings,
  };
  const uses = new Map<string, ProcessUse>();
  const began = performance.now();
  const child = spawn(
    process.execPath,
    [path.join(projectDir, 'bin', 'tapeflow.cjs'), 'backup', source, '--json'],
    {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output = (output + text).slice(-20_000)));
  const timer = setInterval(() => look(data, uses), lookEveryMs);
  await new Promise((resolve) => child.once('close', resolve));
  clearInterval(timer);
  const seconds = (performance.now() - began) / 1000;
  rmSync(root, { recursive: true, force: true, maxRetries: 5 });
  const last = JSON.parse(output.trim().split('\n').at(-1) ?? '{}') as Omit<
    BackupUse,
    'seconds' | 'processes'
  >;
  const { status, files, groups } = last;
  return { seconds, status, files, groups, processes: [...uses.values()] };
}

function look(data: string, uses: Map<string, ProcessUse>): void {
  for (const pid of readdirSync('/proc')) {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) continue;
    try {
      if (!readFileSync(`/proc/${pid}/environ`, 'utf8').includes(`TAPEFLOW_DATA_DIR=${data}\0`)) continue;
      const role = roleOf(readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0'));
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
      const peak = /^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
      const cpu = (Number(stat[11]) + Number(stat[12])) / ticks;
      if (peak !== undefined) uses.set(pid, { role, cpu, peakMb: Math.round(Number(peak) / 1024) });
    } catch {
      // It ended meanwhile.
    }
  }
}

function roleOf(args: string[]): string {
  if (args.includes('start-dev')) return 'server';
  for (const role of ['archive', 'tape', 'host', 'backup']) if (args.includes(role)) return role;
  return 'other';
}
