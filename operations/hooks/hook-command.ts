import {
  beginHook,
  endHook,
  recordHookProcess,
  type HookPhase,
  type HookProcess,
} from '../../catalog/hooks/hook-runs.js';
import { describeError, TapeflowFailure } from '../../config/failures.js';
import { formatSeconds } from '../../config/durations.js';
import { placeId } from '../../disk/this-place.js';
import { english } from '../../messages/sentence.js';
import type { Attempt } from '../attempt.js';
import type { Deps } from '../deps.js';
import { cutText } from '../notify/message.js';
import { endGroup, gatedProcess, startOf, type HookChild } from './hook-process.js';

/** A command of a hook that is to be run for a set. */
export interface HookCommand {
  setId: string;
  round: number;
  phase: HookPhase;
  name: string;
  /** Undefined: there is nothing to run, and that is recorded. */
  command: readonly string[] | undefined;
  /** Why there is nothing, where there should be something. */
  missing?: string | undefined;
  seconds: number;
  /** What it is told, as JSON on its standard input. */
  told: Record<string, unknown> & { state: string };
}

/** Lines of its output in the log; bytes of them in a sentence about a failure. */
const loggedLines = 200;
const shownBytes = 500;
/** Milliseconds in which the last of its output comes, when it has ended. */
const lastWordsMs = 200;

/**
 * Runs a command to its end, and records that; what an earlier attempt has left of it is ended before.
 *
 * @returns why it failed, as part of a sentence; undefined: it did not.
 */
export async function runHookCommand(
  deps: Deps,
  call: HookCommand,
  attempt: Attempt,
): Promise<string | undefined> {
  const { catalog, logger } = deps;
  const run = { ...call, token: attempt.token };
  attempt.throwIfCancelled();
  const left = await beginHook(catalog, run);
  if (left !== undefined) await endLeft(deps, left);
  const began = performance.now();
  const reason = call.command === undefined ? call.missing : await runToEnd(deps, run, call.command, attempt);
  const ms = performance.now() - began;
  const state = reason === undefined ? 'done' : 'failed';
  await attempt.commit(() => endHook(catalog, run, { state, reason: reason ?? null, ms }));
  const { setId, name: hook, phase } = call;
  logger[state === 'done' ? 'info' : 'warn'](
    { setId, hook, phase, state, reason, ms },
    `hook ${phase} ${state}`,
  );
  return reason;
}

/** Ends what an attempt has left whose worker died, if it is at work in this running system. */
export async function endLeft(
  { settings, logger }: Deps,
  { pid, started, place }: HookProcess,
): Promise<void> {
  if (place !== placeId(settings.TAPEFLOW_DATA_DIR) || startOf(pid) !== started) return;
  logger.warn({ pid }, 'a hook of a worker that has died is ended, and run again');
  await endGroup(pid);
}

async function runToEnd(
  { catalog, settings, logger }: Deps,
  run: HookCommand & { token: string },
  command: readonly string[],
  attempt: Attempt,
): Promise<string | undefined> {
  const { setId, phase, name, told, seconds } = run;
  const child = gatedProcess(command, {
    ...process.env,
    ...{ TAPEFLOW_HOOK: name, TAPEFLOW_HOOK_PHASE: phase, TAPEFLOW_HOOK_SET: setId },
    TAPEFLOW_HOOK_STATE: told.state,
  });
  const end = endOf(child);
  const said = listen(child, (line) => logger.info({ setId, hook: name, phase }, line));
  const { pid } = child;
  const started = pid === undefined ? undefined : startOf(pid);
  if (pid === undefined || started === undefined) return english`it cannot be run: ${(await end).how}`;
  try {
    const found = { pid, started, place: placeId(settings.TAPEFLOW_DATA_DIR) };
    if (!(await recordHookProcess(catalog, run, found))) throw superseded(run);
    child.stdin.end(`go\n${JSON.stringify(told)}\n`);
    attempt.report({ step: 'hook', why: english`the hook ${name} runs ${command[0] ?? ''} (${phase})` });
    const late = await endInTime(end, seconds, attempt);
    if (late) return english`it did not end within ${formatSeconds(seconds)}, and was ended`;
  } finally {
    // Also where the catalog is out of reach: the next attempt runs it again.
    if (child.exitCode === null && child.signalCode === null) await endGroup(pid);
    await new Promise((resolve) => setTimeout(resolve, lastWordsMs));
    // What it has left in the background may keep them open, and must not keep this process.
    child.stdout.destroy();
    child.stderr.destroy();
  }
  const { code, how } = await end;
  if (code === 0) return undefined;
  return `${command[0] ?? ''} ${how}${said() === '' ? '' : `: ${said()}`}`;
}

/** How a process ends: with an exit code, or in words. Not when its output is closed, which others may keep open. */
function endOf(child: HookChild): Promise<{ code: number | null; how: string }> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve({ code: null, how: describeError(error) }));
    child.once('exit', (code, signal) =>
      resolve({
        code,
        how: signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`,
      }),
    );
  });
}

/** Waits for the end; true: its time is over. Throws when the attempt is to stop. */
async function endInTime(end: Promise<unknown>, seconds: number, attempt: Attempt): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  let stop: () => void = () => undefined;
  const late = new Promise<boolean>((resolve) => (timer = setTimeout(() => resolve(true), seconds * 1000)));
  const stopped = new Promise<boolean>((resolve) => {
    stop = () => resolve(false);
    attempt.signal.addEventListener('abort', stop);
  });
  try {
    const isLate = await Promise.race([end.then(() => false), late, stopped]);
    attempt.throwIfCancelled();
    return isLate;
  } finally {
    clearTimeout(timer);
    attempt.signal.removeEventListener('abort', stop);
  }
}

/** Logs the first lines of what a command says, and keeps the last; returns those. */
function listen(child: HookChild, log: (line: string) => void): () => string {
  let lines = 0;
  let last = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      last = (last + text).slice(-2 * shownBytes);
      for (const line of text.split('\n').filter((one) => one.trim() !== '')) {
        lines += 1;
        if (lines <= loggedLines) log(cutText(line, shownBytes));
      }
    });
  return () => cutText(last.trim().split('\n').slice(-3).join('; '), shownBytes);
}

function superseded({ name, setId }: HookCommand): TapeflowFailure {
  return new TapeflowFailure('Superseded', english`Another attempt runs the hook ${name} of set ${setId}.`, {
    kind: 'transient',
  });
}
