import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, mkdirSync, openSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { waitFor } from '../support/wait-for.js';

/** A PostgreSQL of its own, from Debian's package, in a folder. */
export class Postgres {
  private process: ChildProcess | undefined;

  private constructor(
    private readonly folder: string,
    readonly port: number,
  ) {}

  /** Makes its folder, without any database of ours in it, and starts it on a port of 127.0.0.1. */
  static async start(folder: string, port: number): Promise<Postgres> {
    mkdirSync(folder, { recursive: true });
    const { uid, gid } = whom();
    if (uid !== undefined && gid !== undefined) chownSync(folder, uid, gid);
    const postgres = new Postgres(folder, port);
    const data = path.join(folder, 'data');
    postgres.run('initdb', ['-D', data, '-U', 'temporal', '--auth=trust', '--no-sync']);
    await postgres.goOn();
    return postgres;
  }

  /** Starts it, again after `kill`. */
  async goOn(): Promise<void> {
    const log = openSync(path.join(this.folder, 'log'), 'a');
    const args = ['-D', path.join(this.folder, 'data'), '-p', String(this.port), '-k', this.folder];
    this.process = spawn(program('postgres'), [...args, '-h', '127.0.0.1'], {
      stdio: ['ignore', log, log],
      ...whom(),
    });
    const isReady = ['-h', '127.0.0.1', '-p', String(this.port), '-U', 'temporal', '-d', 'postgres'];
    await waitFor(() => spawnSync(program('pg_isready'), isReady).status === 0, 'PostgreSQL to answer');
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const { process } = this;
    this.process = undefined;
    if (process === undefined || process.exitCode !== null || process.signalCode !== null) return;
    const ended = once(process, 'exit');
    process.kill(signal);
    await ended;
  }

  private run(name: string, args: string[]): void {
    const { status, stderr, error } = spawnSync(program(name), args, { encoding: 'utf8', ...whom() });
    if (status !== 0) throw error ?? new Error(`${name}: ${stderr}`);
  }
}

/** Debian keeps the programs of each version in a folder that is not on the PATH. */
function program(name: string): string {
  const root = '/usr/lib/postgresql';
  const versions = existsSync(root) ? readdirSync(root).sort((a, b) => Number(b) - Number(a)) : [];
  const found = versions.map((version) => path.join(root, version, 'bin', name)).find(existsSync);
  return found ?? name;
}

/** PostgreSQL refuses to run as root. */
function whom(): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {};
  const id = (flag: string) => Number(spawnSync('id', [flag, 'postgres'], { encoding: 'utf8' }).stdout);
  return { uid: id('-u'), gid: id('-g') };
}
