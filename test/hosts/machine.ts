import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { projectDir } from '../../config/project-dir.js';
import { cleanEnv, type Finished, running, type Running } from '../support/installation.js';
import { waitFor } from '../support/wait-for.js';

/** Why this machine can be no network of several; false: it can. */
export function noMachines(): string | false {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'needs root on Linux';
  for (const [program, pack] of [
    ['ip', 'iproute2'],
    ['unshare', 'util-linux'],
    ['nsenter', 'util-linux'],
  ] as const)
    if (
      spawnSync(program, ['--version']).error !== undefined &&
      spawnSync(program, ['-V']).error !== undefined
    )
      return `needs ${program} of Debian's package ${pack}: apt-get install ${pack}`;
  const made = spawnSync('unshare', ['--net', '--mount', '--uts', '--pid', '--fork', '--mount-proc', 'true']);
  return made.status === 0 ? false : `may make no namespaces: ${String(made.stderr).trim()}`;
}

/**
 * A process that keeps namespaces until its standard input ends: with the test, however that ends, everything in them
 * ends too, and nothing of them is left on this machine.
 */
async function keepNamespaces(kinds: readonly string[], begin: string, env: Record<string, string>) {
  const keeper = spawn('unshare', [...kinds, 'sh', '-euc', `${begin}\necho kept; exec cat >/dev/null`], {
    env: { ...process.env, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [keeper.stdout, keeper.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (said += text));
  await waitFor(() => {
    if (keeper.exitCode !== null) throw new Error(`no namespaces: ${said}`);
    return said.includes('kept');
  }, 'namespaces');
  return keeper;
}

/** The network that connects the machines: a switch in a namespace of its own, which leads nowhere else. */
export class Network {
  private constructor(private readonly keeper: ChildProcess) {}

  static async make(): Promise<Network> {
    const begin = `ip link set lo up
      ip link add hub type bridge
      ip addr add ${Network.address}/24 dev hub
      ip link set hub up`;
    return new Network(await keepNamespaces(['--net'], begin, {}));
  }

  /** Of PostgreSQL and the Temporal server, which run at the switch. */
  static readonly address = '10.77.0.1';

  /** What to put before a command, so that it runs at the switch. The process keeps its id. */
  get within(): string[] {
    return ['nsenter', `--target=${this.keeper.pid}`, '--net', '--'];
  }

  ip(...args: string[]): void {
    const [program = '', ...before] = this.within;
    execFileSync(program, [...before, 'ip', ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
  }

  end(): void {
    this.keeper.kill('SIGKILL');
  }
}

/**
 * A machine of its own on this one: with its own network, processes, host name, and folders. All machines have their
 * folders at the same paths, and each sees only its own there, and the staging that they share.
 */
export class Machine {
  private keeper: ChildProcess | undefined;
  private child = 0;

  constructor(
    private readonly network: Network,
    private readonly root: string,
    readonly name: string,
    private readonly no: number,
    /** The machine whose folders it has: its own, or those of another one that is the same host. */
    private readonly folders: string,
    public env: Record<string, string>,
  ) {}

  /** A folder of the machine, as it names it itself. */
  here(name: string): string {
    return path.join(this.root, 'here', name);
  }

  /** The same folder, as the test sees it. */
  seen(name: string): string {
    return path.join(this.root, 'machines', this.folders, name);
  }

  /** The same file of `here`, as the test sees it. */
  seenAt(file: string): string {
    return this.seen(path.relative(this.here(''), file));
  }

  async boot(): Promise<void> {
    for (const folder of [this.seen('staging'), path.join(this.root, 'here'), path.join(this.root, 'shared')])
      mkdirSync(folder, { recursive: true });
    const kinds = ['--net', '--mount', '--uts', '--ipc', '--pid', '--fork', '--mount-proc'];
    const begin = `hostname "$NAME"
      ip link set lo up
      mount --bind "$ROOT/machines/$FOLDERS" "$ROOT/here"
      mount --bind "$ROOT/shared" "$ROOT/here/staging"
      mount -t tmpfs -o mode=000 none "$ROOT/machines"
      mount -t tmpfs -o mode=000 none "$ROOT/shared"`;
    const env = { NAME: this.name, ROOT: this.root, FOLDERS: this.folders };
    const keeper = await keepNamespaces(kinds, begin, env);
    this.keeper = keeper;
    const [child = 0] = childrenOf(keeper.pid ?? 0);
    this.child = child;
    // The other end of its cable is in the switch.
    this.network.ip('link', 'add', this.port, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', `${child}`);
    this.network.ip('link', 'set', this.port, 'master', 'hub', 'up');
    for (const args of [`addr add ${this.address}/24 dev eth0`, 'link set eth0 up'])
      execFileSync('nsenter', [`--target=${child}`, '--net', '--', 'ip', ...args.split(' ')]);
  }

  private get port(): string {
    return `port${this.no}`;
  }

  private get address(): string {
    return `10.77.0.${10 + this.no}`;
  }

  /** Pulls its cable out of the switch: nothing is closed, nothing goes through. */
  cut(): void {
    this.network.ip('link', 'set', this.port, 'down');
  }

  mend(): void {
    this.network.ip('link', 'set', this.port, 'up');
  }

  /** Ends everything that runs on it, at once, and its network: a power cut. `boot` starts it again. */
  async powerOff(): Promise<void> {
    const { keeper } = this;
    this.keeper = undefined;
    if (keeper === undefined || keeper.exitCode !== null || keeper.signalCode !== null) return;
    const gone = new Promise((resolve) => keeper.once('close', resolve));
    try {
      process.kill(this.child, 'SIGKILL');
    } catch {
      // It has ended by itself.
    }
    await gone;
  }

  /** Starts a command of tapeflow there. */
  start(args: string[], env: Record<string, string> = {}): Running {
    const program = [process.execPath, path.join(projectDir, 'bin', 'tapeflow.cjs'), ...args];
    const into = [`--target=${this.child}`, '--net', '--mount', '--uts', '--ipc', '--pid', '--'];
    const child = spawn('nsenter', [...into, 'env', '-C', this.here(''), ...program], {
      env: { ...cleanEnv(), ...this.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    return running(child);
  }

  run(args: string[], env: Record<string, string> = {}): Promise<Finished> {
    return this.start(args, env).ended;
  }

  /** Runs a command with `--json`; its last line as an object. */
  async json<Result>(args: string[]): Promise<Result> {
    const { stdout, stderr } = await this.run([...args, '--json']);
    try {
      return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Result;
    } catch {
      throw new Error(`no JSON from ${args.join(' ')} on ${this.name}: ${stdout}${stderr}`);
    }
  }

  /** Starts a worker, and waits until it runs. */
  async worker(...args: string[]): Promise<Worker> {
    const running = this.start(['worker', ...args]);
    await waitFor(
      () => {
        if (running.child.exitCode !== null)
          throw new Error(`${this.name}: worker ended: ${running.output()}`);
        return running.output().includes('worker runs');
      },
      `worker ${args.join(' ')} on ${this.name}`,
    );
    return new Worker(this, args, running);
  }
}

/** A worker process on a machine. */
export class Worker {
  constructor(
    readonly machine: Machine,
    readonly args: string[],
    readonly running: Running,
  ) {}

  get name(): string {
    return `worker ${this.args.filter((arg) => !arg.startsWith('--')).join(' ')} on ${this.machine.name}`;
  }

  /** Of the worker itself: `nsenter` has forked it into the processes of its machine. */
  get pid(): number {
    const [child] = childrenOf(this.running.child.pid ?? 0);
    if (child === undefined) throw new Error(`${this.name} does not run: ${this.running.output()}`);
    return child;
  }

  async kill(): Promise<void> {
    process.kill(this.pid, 'SIGKILL');
    await this.running.ended;
  }

  again(): Promise<Worker> {
    return this.machine.worker(...this.args);
  }
}

function childrenOf(pid: number): number[] {
  const file = `/proc/${pid}/task/${pid}/children`;
  return existsSync(file) ? readFileSync(file, 'utf8').trim().split(' ').filter(Boolean).map(Number) : [];
}
