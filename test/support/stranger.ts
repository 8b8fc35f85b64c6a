import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Connection, type WorkflowService } from '@temporalio/client';

/** User and group `nobody`. */
const nobody = 65534;

type Call = { method: keyof WorkflowService } | { read: string };
type Answer = { answer: unknown } | { error: string };

/**
 * Another user of the machine, who reaches the server's port: a process of the user nobody, where the test may make
 * one, else of the same user. It has no key, and sends what the test tells it.
 */
export class Stranger {
  private constructor(private readonly child: ChildProcess) {}

  static async come(t: { after(end: () => unknown): void }, address: string): Promise<Stranger> {
    const program = [process.execPath, fileURLToPath(import.meta.url), address];
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

  private async ask(what: Call, request: object): Promise<unknown> {
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

/** The stranger's own process. */
async function beStranger(address: string): Promise<void> {
  const connection = await Connection.connect({ address });
  const { workflowService } = connection;
  const within = <Result>(run: () => Promise<Result>) => connection.withDeadline(Date.now() + 30_000, run);
  process.on('message', (asked: Call & { request: object }) => {
    const answer = async () => {
      if ('read' in asked) return readFileSync(asked.read, 'utf8');
      const call = workflowService[asked.method] as unknown as (request: object) => Promise<object>;
      // Plain objects, for the way back.
      return JSON.parse(
        JSON.stringify(await within(() => call.call(workflowService, asked.request))),
      ) as unknown;
    };
    void answer().then(
      (result) => process.send?.({ answer: result }),
      (error: unknown) => process.send?.({ error: String(error) }),
    );
  });
  process.on('disconnect', () => process.exit(0));
  process.send?.({ answer: 'here' });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await beStranger(process.argv[2] ?? '');
