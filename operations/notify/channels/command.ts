import { spawn } from 'node:child_process';
import { describeError } from '../../../config/failures.js';
import { english } from '../../../messages/sentence.js';
import { cutText, type Message } from '../message.js';
import { unsent } from './post.js';

/** Milliseconds that a command has. */
const commandMs = 30_000;
/** Bytes of what it says on stderr that are shown. */
const shownBytes = 300;

/** Runs a command with the message as JSON on its standard input; success is exit code 0. */
export function runNotifyCommand(
  [program = '', ...args]: readonly string[],
  message: Message,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['pipe', 'ignore', 'pipe'] });
    const end = () => child.kill('SIGKILL');
    const late = setTimeout(end, commandMs);
    signal.addEventListener('abort', end);
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      if (said.length < shownBytes) said += text;
    });
    // It need not read what it is told.
    child.stdin.on('error', () => undefined);
    child.stdin.end(`${JSON.stringify(message)}\n`);
    const done = (why: string | undefined) => {
      clearTimeout(late);
      signal.removeEventListener('abort', end);
      if (why === undefined) resolve();
      else reject(unsent(why));
    };
    child.once('error', (error) => done(english`${program} cannot be run: ${describeError(error)}`));
    // Not `close`: what it has started may keep its output open.
    child.once('exit', (code, ending) => {
      if (code === 0) return done(undefined);
      const short = cutText(said.trim(), shownBytes);
      const end = code ?? '';
      if (ending !== null)
        done(
          said === ''
            ? english`${program} was ended by ${ending}`
            : english`${program} was ended by ${ending}: ${short}`,
        );
      else
        done(
          said === ''
            ? english`${program} ended with exit code ${end}`
            : english`${program} ended with exit code ${end}: ${short}`,
        );
    });
  });
}
