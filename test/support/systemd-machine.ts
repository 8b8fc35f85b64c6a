import { type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { projectDir } from '../../config/project-dir.js';
import { tempFolder } from './trees.js';
import { waitFor } from './wait-for.js';

const namespaces = ['--pid', '--mount', '--uts', '--ipc', '--cgroup'];

/** A machine with a systemd of its own; see systemd-machine.sh. */
export class SystemdMachine {
  private constructor(private readonly pid: number) {}

  /** Undefined, and the test skipped, where this process may not start one. */
  static async start(t: TestContext): Promise<SystemdMachine | undefined> {
    const hasSystemd = spawnSync('/lib/systemd/systemd', ['--version']).status === 0;
    if (!hasSystemd || spawnSync('unshare', [...namespaces, '--fork', 'true']).status !== 0) {
      t.skip('needs systemd, and the right to make namespaces');
      return undefined;
    }
    const script = path.join(projectDir, 'test', 'support', 'systemd-machine.sh');
    const outer = spawn('unshare', [...namespaces, '--fork', '--mount-proc', 'bash', script, tempFolder(t)], {
      stdio: 'ignore',
    });
    const ended = new Promise((resolve) => outer.once('close', resolve));
    t.after(async () => {
      // Its first process, with which all others end.
      const [first] = childrenOf(outer.pid);
      process.kill(first ?? outer.pid ?? 0, 'SIGKILL');
      await ended;
    });
    const isSystemd = (pid: number | undefined) =>
      pid !== undefined && commandOf(pid).includes('systemd/systemd');
    await waitFor(() => isSystemd(childrenOf(outer.pid)[0]), 'systemd begins');
    const machine = new SystemdMachine(childrenOf(outer.pid)[0] ?? 0);
    await waitFor(
      () => /^(running|degraded)/.test(machine.run('systemctl', ['is-system-running']).stdout),
      'systemd has started',
    );
    return machine;
  }

  /** Runs a program on that machine, to its end. */
  run(command: string, args: string[], env: Record<string, string> = {}): SpawnSyncReturns<string> {
    const inside = [
      '--target',
      String(this.pid),
      '-m',
      '-u',
      '-i',
      '-p',
      '-C',
      '-r',
      '-w',
      '--',
      command,
      ...args,
    ];
    return spawnSync('nsenter', inside, { encoding: 'utf8', env: { PATH: process.env['PATH'], ...env } });
  }
}

function childrenOf(pid: number | undefined): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && parentOf(name) === pid)
    .map(Number);
}

/** The parent of a process: the fourth field of proc_pid_stat(5), behind the name in parentheses. */
function parentOf(pid: string): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return undefined;
  }
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
  } catch {
    return '';
  }
}
