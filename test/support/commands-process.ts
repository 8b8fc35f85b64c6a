// The process of `one-process.ts`.
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { projectDir } from '../../config/project-dir.js';
import type { AskedCommand, Finished } from './one-process.js';

/** What a command ends with that ends its process. */
class Exit extends Error {}

type Written = (text: string | Uint8Array, ...rest: unknown[]) => boolean;

/** Collects what is written to an output of the process until it is given back. */
function collect(output: { write: unknown }): () => string {
  const { write } = output;
  const parts: Buffer[] = [];
  output.write = ((text, ...rest) => {
    parts.push(Buffer.from(text));
    const written = rest.at(-1);
    if (typeof written === 'function') process.nextTick(written);
    return true;
  }) satisfies Written;
  return () => {
    output.write = write;
    return Buffer.concat(parts).toString();
  };
}

/** Runs one command as `bin/tapeflow.cjs` does: its main module once more, with all that it needs loaded already. */
async function command({ args, env, cwd }: AskedCommand, number: number): Promise<Finished> {
  const before = { ...process.env };
  const exit = process.exit;
  process.argv = [process.execPath, path.join(projectDir, 'bin', 'tapeflow.cjs'), ...args];
  process.chdir(cwd);
  Object.assign(process.env, env);
  process.exitCode = undefined;
  const [stdout, stderr] = [collect(process.stdout), collect(process.stderr)];
  process.exit = (code) => {
    process.exitCode = code ?? 0;
    throw new Exit();
  };
  const finished = { code: 0, stdout: '', stderr: '' };
  try {
    const main = pathToFileURL(path.join(projectDir, 'dist', 'program', 'main.js'));
    await import(`${main.href}?${number}`);
  } catch (error) {
    if (!(error instanceof Exit)) throw error;
  } finally {
    Object.assign(finished, { stdout: stdout(), stderr: stderr() });
    process.exit = exit;
    for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name];
    Object.assign(process.env, before);
  }
  finished.code = Number(process.exitCode ?? 0);
  process.exitCode = undefined;
  return finished;
}

let number = 0;
// Each command listens for a reader that has had enough.
process.stdout.setMaxListeners(0);
process.on('disconnect', () => process.exit());
process.on('message', (asked: AskedCommand) => {
  void command(asked, (number += 1)).then((finished) => process.send?.(finished));
});
