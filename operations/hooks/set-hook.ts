import { isOpen, lastRound, needsSources, type HookRound } from '../../catalog/hooks/hook-runs.js';
import type { HookRunRow, SetRow } from '../../catalog/rows.js';
import { setNamed } from '../../catalog/sets/sets.js';
import { TapeflowFailure } from '../../config/failures.js';
import { hookSeconds, type HookSettings } from '../../config/settings/hooks.js';
import { english } from '../../messages/sentence.js';
import type { Attempt } from '../attempt.js';
import type { Deps } from '../deps.js';
import { endLeft, runHookCommand, type HookCommand } from './hook-command.js';

/** What an `after` is told of its set: all that is wanted of the sources was read, or the set ends without that. */
type HookState = 'read' | 'failed' | 'cancelled';

/** When an `after` is asked for: `read`: as soon as nothing is to be read any more; else at the end of the set. */
export type HookTime = 'read' | 'end' | 'failed' | 'cancelled';

/**
 * Sees to it that the `before` of a set's hook has run before its sources are read: once in each round. A round begins
 * when something is to be read and none is open.
 *
 * Throws `HookFailed` when it fails, unless the hook says that the set goes on.
 */
export async function openSources(deps: Deps, setId: string, attempt: Attempt): Promise<void> {
  const { catalog } = deps;
  const set = await setNamed(catalog, setId);
  if (set.hook === null) return;
  let last = await lastRound(catalog, setId);
  // Its worker died in its `after`, or before it; only then is another round begun.
  const failed = last.before?.state === 'failed' && hookOf(deps, set.hook)?.onFailure !== 'continue';
  if (last.after?.state === 'begun' || (isOpen(last) && failed)) {
    await runAfter(deps, set, last, failed ? 'failed' : 'read', attempt);
    last = await lastRound(catalog, setId);
  }
  const open = isOpen(last);
  if (open ? last.before?.state !== 'begun' : !(await needsSources(catalog, setId))) return;
  const hook = hookOf(deps, set.hook);
  if (hook === undefined) throw unknownHook(deps, set);
  const round = open ? last.round : last.round + 1;
  const call = commandOf(set, hook, { round, phase: 'before', state: 'scanning' });
  const why = await runHookCommand(deps, call, attempt);
  if (why === undefined || hook.onFailure === 'continue') return;
  throw new TapeflowFailure('HookFailed', english`The before of the hook ${set.hook} has failed: ${why}.`, {
    advice: english`Nothing was read. Mend that, then \`tapeflow retry ${setId}\` goes on.`,
  });
}

/**
 * Runs the `after` of a set's hook, if its `before` was begun and that was not followed by one yet. A failure is
 * recorded and logged, and changes nothing of the set: its files are on tape, or not, all the same.
 */
export async function closeSources(
  deps: Deps,
  setId: string,
  time: HookTime,
  attempt: Attempt,
): Promise<void> {
  const { catalog } = deps;
  const set = await setNamed(catalog, setId);
  if (set.hook === null) return;
  const last = await lastRound(catalog, setId);
  if (!isOpen(last)) return;
  const isRead = !(await needsSources(catalog, setId));
  if (time === 'read' && !isRead) return;
  const state = time === 'failed' || time === 'cancelled' ? time : isRead ? 'read' : 'failed';
  await runAfter(deps, set, last, state, attempt);
}

async function runAfter(
  deps: Deps,
  set: SetRow,
  { round, before }: HookRound,
  state: HookState,
  attempt: Attempt,
): Promise<void> {
  // A set that ends while its `before` is at work, or was, in a worker that died.
  const left = before === undefined ? undefined : processOf(before);
  if (left !== undefined) await endLeft(deps, left);
  const hook = hookOf(deps, set.hook ?? '');
  const missing =
    hook === undefined ? english`host ${deps.settings.TAPEFLOW_HOST} has no hook of that name` : undefined;
  const call = { ...commandOf(set, hook ?? {}, { round, phase: 'after', state }), missing };
  await runHookCommand(deps, call, attempt);
}

function processOf({ pid, started, place }: HookRunRow) {
  return pid === null || started === null || place === null ? undefined : { pid, started, place };
}

function hookOf({ settings }: Deps, name: string): HookSettings | undefined {
  return Object.hasOwn(settings.hooks, name) ? settings.hooks[name] : undefined;
}

function commandOf(
  set: SetRow,
  hook: HookSettings,
  run: { round: number; phase: 'before' | 'after'; state: HookState | 'scanning' },
): HookCommand {
  const { round, phase, state } = run;
  const name = set.hook ?? '';
  const sources = JSON.parse(set.sources) as string[];
  const told = { hook: name, phase, setId: set.id, state, mode: set.mode, sources };
  return { setId: set.id, round, phase, name, command: hook[phase], seconds: hookSeconds(hook), told };
}

function unknownHook({ settings }: Deps, { id, hook }: SetRow): TapeflowFailure {
  return new TapeflowFailure(
    'NoSuchHook',
    english`The set ${id} is to run the hook ${hook ?? ''}, which host ${settings.TAPEFLOW_HOST} does not have.`,
    {
      advice: english`\`hooks\` in tapeflow.config.json of that host has its hooks;
        its workers read them when they start.`,
    },
  );
}
