import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { TestContext } from 'node:test';
import { projectDir } from '../../config/project-dir.js';
import { cleanEnv, type Finished, type Installation } from './installation.js';

interface Asked {
  args: string[];
  env: Record<string, string>;
}

/**
 * Many commands of the client, one after the other, in one process: the start of a process takes longer than a command
 * that is refused. For commands that end by themselves and leave nothing behind.
 */
export class OneProcess {
  private constructor(private readonly child: ChildProcess) {}

  static start(t: TestContext, { env, root }: Installation): OneProcess {
    const child = fork(fileURLToPath(import.meta.url), [], { cwd: root, env: { ...cleanEnv(), ...env } });
    t.after(() => child.kill('SIGKILL'));
    return new OneProcess(child);
  }

  async run(args: string[], env: Record<string, string> = {}): Promise<Finished> {
    this.child.send({ args, env } satisfies Asked);
    const [finished] = (await once(this.child, 'message')) as [Finished];
    return finished;
  }
}

/** What a command ends with that ends its process. */
class Exit extends Error {}

/** Runs one command as `bin/tapeflow.cjs` does: its main module once more, with all that it needs loaded already. */
async function command({ args, env }: Asked, number: number): Promise<Finished> {
  const before = { ...process.env };
  const said = { stdout: '', stderr: '' };
  const own = { write: [process.stdout.write, process.stderr.write] as const, exit: process.exit };
  process.argv = [process.execPath, path.join(projectDir, 'bin', 'tapeflow.cjs'), ...args];
  Object.assign(process.env, env);
  process.exitCode = undefined;
  for (const name of ['stdout', 'stderr'] as const)
    process[name].write = (text: string | Uint8Array) => {
      said[name] += String(text);
      return true;
    };
  process.exit = (code) => {
    process.exitCode = code ?? 0;
    throw new Exit();
  };
  try {
    const main = pathToFileURL(path.join(projectDir, 'dist', 'client', 'main.js'));
    await import(`${main.href}?${number}`);
  } catch (error) {
    if (!(error instanceof Exit)) throw error;
  } finally {
    [process.stdout.write, process.stderr.write] = own.write;
    process.exit = own.exit;
    for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name];
    Object.assign(process.env, before);
  }
  const code = Number(process.exitCode ?? 0);
  process.exitCode = undefined;
  return { code, ...said };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  let number = 0;
  // Each command listens for a reader that has had enough.
  process.stdout.setMaxListeners(0);
  process.on('message', (asked: Asked) => {
    void command(asked, (number += 1)).then((finished) => process.send?.(finished));
  });
}
