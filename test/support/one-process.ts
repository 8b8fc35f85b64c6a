import { fork, type ChildProcess } from 'node:child_process';
import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';

export interface Finished {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** What the process is asked to run. */
export interface AskedCommand {
  args: string[];
  env: Record<string, string>;
  cwd: string;
}

/** Commands that a signal ends, or that are to be the process of what they run. */
const ownProcess = new Set(['up', 'worker', 'web', 'embedded-host', 'service']);

/** Processes that wait for the next command. */
const idle: ChildProcess[] = [];

/**
 * True for a command that may run in one process with others: not if it is told how to load its program, nor in the
 * long form of the tests, where each command is a process of its own.
 */
export function mayShareProcess({ args, env }: AskedCommand): boolean {
  const [name = ''] = args;
  const loads = Object.keys(env).some((variable) => /^(LD_|NODE_)/.test(variable));
  return process.env['LONG_TESTS'] !== '1' && !ownProcess.has(name) && !loads;
}

/**
 * Runs a command of the client in a process that has run others: its start takes longer than most commands. As many
 * processes are made as commands run at once.
 *
 * @param own environment of the process itself, without the settings of an installation: what runs for that is found,
 * and killed, by them.
 */
export async function runInOne(asked: AskedCommand, own: Record<string, string>): Promise<Finished> {
  const child = idle.pop() ?? make(own);
  hold(child, true);
  let told = '';
  const tell = (text: string) => (told += text);
  child.stderr?.setEncoding('utf8').on('data', tell);
  const finished = await new Promise<Finished>((resolve) => {
    const ended = (code: number | null) => resolve({ code, stdout: '', stderr: told });
    child.once('exit', ended).once('message', (message) => {
      child.off('exit', ended);
      resolve(message as Finished);
    });
    child.send(asked);
  });
  child.stderr?.off('data', tell);
  if (child.connected) {
    hold(child, false);
    idle.push(child);
  }
  return finished;
}

function make(env: Record<string, string>): ChildProcess {
  const program = fileURLToPath(new URL('./commands-process.js', import.meta.url));
  return fork(program, [], { env, stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
}

/** Whether this process waits for it. It ends with this process. */
function hold(child: ChildProcess, isHeld: boolean): void {
  const does = isHeld ? 'ref' : 'unref';
  child[does]();
  child.channel?.[does]();
  (child.stderr as Socket | null)?.[does]();
}
