import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { WorkflowService } from '@temporalio/client';

/** User and group `nobody`. */
const nobody = 65534;

/** What the stranger's process is to do. */
export type StrangerCall = { method: keyof WorkflowService } | { read: string };
type Answer = { answer: unknown } | { error: string };

/**
 * Another user of the machine, who reaches the server's port: a process of the user nobody, where the test may make
 * one, else of the same user. It has no key, and sends what the test tells it.
 */
export class Stranger {
  private constructor(private readonly child: ChildProcess) {}

  static async come(t: { after(end: () => unknown): void }, address: string): Promise<Stranger> {
    const own = fileURLToPath(new URL('./stranger-process.js', import.meta.url));
    const program = [process.execPath, own, address];
    const asNobody = ['setpriv', `--reuid=${nobody}`, `--regid=${nobody}`, '--clear-groups'];
    const [command = '', ...args] = process.getuid?.() === 0 ? [...asNobody, ...program] : program;
    const child = spawn(command, args, {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      serialization: 'advanced',
    });
    t.after(() => child.kill('SIGKILL'));
    assert.deepEqual(await answerOf(child), { answer: 'here' });
    return new Stranger(child);
  }

  /** Calls the server; fails as that does. */
  async call(method: keyof WorkflowService, request: object): Promise<Record<string, never>> {
    return (await this.ask({ method }, request)) as Record<string, never>;
  }

  /** Reads a file. */
  async read(file: string): Promise<unknown> {
    return this.ask({ read: file }, {});
  }

  private async ask(what: StrangerCall, request: object): Promise<unknown> {
    this.child.send({ ...what, request });
    const answer = await answerOf(this.child);
    if ('error' in answer) throw new Error(answer.error);
    return answer.answer;
  }
}

async function answerOf(child: ChildProcess): Promise<Answer> {
  const [answer] = (await once(child, 'message')) as [Answer];
  return answer;
}
