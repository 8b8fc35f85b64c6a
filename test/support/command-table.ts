import { existsSync } from 'node:fs';
import { parkGroup } from '../../catalog/groups/group-states.js';
import { cancel } from '../../client/commands/set/cancel.js';
import { pause } from '../../client/commands/set/pause.js';
import { resume } from '../../client/commands/set/resume.js';
import { retry } from '../../client/commands/set/retry.js';
import { setHandle } from '../../client/server.js';
import { describeError } from '../../config/failures.js';
import { finalDir, tempDir } from '../../staging/paths.js';
import { tapeLoadedUpdate } from '../../workflows/messages.js';
import type { LiveSets } from './live-sets.js';

export const commands = ['pause', 'resume', 'cancel', 'discard', 'retry', 'loaded'] as const;
type CommandName = (typeof commands)[number];

/**
 * What a command must do: what it says (a refusal begins with `!`), the state that the set has right after it, and the
 * one to which it comes when what held it is gone. A set that is paused then is resumed; one that was cancelled is
 * retried.
 */
type Right = readonly [says: RegExp, state: string, end: string, refused?: 'refused'];

interface State {
  /** Brings new sets into the state, all at once. */
  enter(live: LiveSets, ids: readonly string[], copies: 1 | 2): Promise<void>;
  /** Before the sets begin. */
  before?(live: LiveSets): void | Promise<void>;
  /** Takes away what holds them. */
  leave?(live: LiveSets): void | Promise<void>;
  right: Record<CommandName, Right>;
  /** Where sets of two copies do otherwise. */
  rightOfTwo?: Partial<Record<CommandName, Right>>;
}

const paused = /^Set \S+ is paused\. `tapeflow resume \S+` lets it go on\.$/;
const goesOn = /^Set \S+ goes on\./;
const nothingToRetry = /^Set \S+ has no failed groups to try again\./;
const kept = /^Set \S+ is cancelled; \d archives? (?:is|are) on tape\. What is staged is kept/;
const deleted = /^Set \S+ is cancelled; \d archives? (?:is|are) on tape\. What was staged is deleted\.$/;
const finishing = /it is finishing: all that it could store is on tape/;
const ended = (state: string) => new RegExp(`^The set \\S+ has ended: it is ${state}\\.$`);
const silent = /^$/;
const closed = /already completed|aborted by closing/;

const ending = {
  cancel: [kept, 'cancelled', 'completed'],
  discard: [deleted, 'cancelled', 'completed'],
} as const;

/** A set at work, which goes on by itself when nothing holds it. */
const atWork = (state: string, end = 'completed'): State['right'] => ({
  pause: [paused, 'paused', end],
  resume: [goesOn, state, end],
  ...ending,
  retry: [nothingToRetry, state, end],
  loaded: [silent, state, end],
});

/** A set that holds all of staging. */
const noRoom = '2000-01_000001';

export const states: Record<string, State> = {
  scanning: {
    before: (live) => live.hold('scanSources'),
    enter: (live, ids) => live.held('scanSources', ids.length),
    right: atWork('scanning'),
  },
  running: {
    before: (live) => live.hold('compressGroup'),
    enter: (live, ids) => live.held('compressGroup', 3 * ids.length),
    right: atWork('running'),
  },
  writing: {
    before: (live) => live.hold('writeToTape'),
    enter: async (live, ids) => {
      // One has the drive's slot, and the others wait for it.
      await live.held('writeToTape');
      for (const id of ids) await live.comesTo(id, 'running');
    },
    right: atWork('running'),
  },
  syncing: {
    before: (live) => live.hold('syncTape'),
    enter: (live, ids, copies) => live.held('syncTape', copies * ids.length),
    right: atWork('running'),
  },
  paused: {
    before: (live) => live.hold('compressGroup'),
    enter: async (live, ids) => {
      await live.held('compressGroup', 3 * ids.length);
      for (const id of ids) await live.command((session) => pause(session, id));
    },
    right: {
      ...atWork('paused'),
      resume: [goesOn, 'running', 'completed'],
      retry: [/has no failed groups to try again\.\nSet \S+ is paused\./, 'paused', 'completed'],
    },
  },
  'waiting for a tape': {
    before: (live) => live.unload('lto1'),
    enter: async (live, ids, copies) => {
      for (const id of ids) await live.comesTo(id, 'waiting_for_tape');
      // The other copy is on tape by then.
      for (const id of ids) await live.comesToCommitted(id, 3 * (copies - 1));
    },
    leave: (live) => live.load('lto1'),
    right: atWork('waiting_for_tape|running'),
    // Of archives of which the other copy is on tape, `tape copy` makes this one: they are never made anew.
    rightOfTwo: { discard: [deleted, 'cancelled', 'failed'] },
  },
  'short of staging': {
    before: async (live) => {
      live.hold('compressGroup');
      await live.takeStaging(noRoom);
    },
    enter: async (live, ids) => {
      await live.held('compressGroup', 3 * ids.length);
      live.letGo();
    },
    leave: (live) => live.giveStaging(noRoom),
    right: atWork('running'),
  },
  finishing: {
    before: (live) => live.hold('finishSet'),
    enter: (live, ids) => live.held('finishSet', ids.length),
    right: {
      pause: [finishing, 'running', 'completed', 'refused'],
      resume: [finishing, 'running', 'completed', 'refused'],
      ...ending,
      retry: [finishing, 'running', 'completed', 'refused'],
      loaded: [finishing, 'running', 'completed', 'refused'],
    },
  },
  'a failed group': {
    before: (live) => live.hold('nextGroups'),
    enter: async (live, ids) => {
      await parkOne(live, ids);
      live.hold('compressGroup');
      live.letGo('nextGroups');
      await live.held('compressGroup', 2 * ids.length);
    },
    right: {
      ...atWork('running', 'failed'),
      retry: [/^Set \S+ has 1 failed group to try again\./, 'running', 'completed'],
      ...ending,
    },
  },
  'draining for its next run': {
    before: (live) => live.hold('nextGroups'),
    enter: async (live, ids) => {
      await parkOne(live, ids);
      live.hold('compressGroup');
      live.letGo('nextGroups');
      await live.held('compressGroup', 2 * ids.length);
      await Promise.all(ids.map((id) => live.drain(id)));
    },
    right: atWork('running'),
  },
  completed: {
    enter: async (live, ids) => {
      for (const id of ids) await live.comesTo(id, 'completed');
    },
    right: {
      pause: [ended('completed'), 'completed', 'completed', 'refused'],
      resume: [ended('completed'), 'completed', 'completed', 'refused'],
      cancel: [ended('completed'), 'completed', 'completed', 'refused'],
      discard: [ended('completed'), 'completed', 'completed', 'refused'],
      retry: [/has no failed groups: it is completed/, 'completed', 'completed', 'refused'],
      loaded: [closed, 'completed', 'completed', 'refused'],
    },
  },
  failed: {
    before: (live) => live.hold('nextGroups'),
    enter: async (live, ids) => {
      await parkOne(live, ids);
      live.letGo();
      for (const id of ids) await live.comesTo(id, 'failed');
    },
    right: {
      pause: [ended('failed'), 'failed', 'failed', 'refused'],
      resume: [ended('failed'), 'failed', 'failed', 'refused'],
      cancel: [ended('failed'), 'failed', 'failed', 'refused'],
      discard: [deleted, 'cancelled', 'completed'],
      retry: [goesOn, 'scanning|running|completed', 'completed'],
      loaded: [closed, 'failed', 'failed', 'refused'],
    },
  },
  cancelled: {
    before: (live) => live.hold('compressGroup'),
    enter: async (live, ids) => {
      await live.held('compressGroup', 3 * ids.length);
      for (const id of ids) await live.command((session) => cancel(session, id, false));
      live.letGo();
    },
    right: {
      pause: [ended('cancelled'), 'cancelled', 'completed', 'refused'],
      resume: [ended('cancelled'), 'cancelled', 'completed', 'refused'],
      cancel: [ended('cancelled'), 'cancelled', 'completed', 'refused'],
      discard: [deleted, 'cancelled', 'completed'],
      retry: [goesOn, 'scanning|running|completed', 'completed'],
      loaded: [closed, 'cancelled', 'completed', 'refused'],
    },
  },
};

/** Waits for the scans, and parks the second group of each set before anybody begins it. */
async function parkOne(live: LiveSets, ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    await live.scanned(id);
    await parkGroup(live.catalog, id, 2, 'compressing', 'parked by a test');
  }
}

async function obey(
  live: LiveSets,
  name: CommandName,
  id: string,
): Promise<{ said: string; failed: boolean }> {
  if (name === 'loaded') {
    try {
      await setHandle(live.server, id).executeUpdate(tapeLoadedUpdate);
      return { said: '', failed: false };
    } catch (error) {
      return { said: describeError(error instanceof Error ? (error.cause ?? error) : error), failed: true };
    }
  }
  return live.command(async (session) => {
    if (name === 'pause') await pause(session, id);
    else if (name === 'resume') await resume(session, id, true);
    else if (name === 'retry') await retry(session, id, true);
    else await cancel(session, id, name === 'discard');
  });
}

/** One command to a set in one state. */
export interface Cell {
  state: string;
  command: CommandName;
  copies: 1 | 2;
  /** What was not right; empty when all was. */
  problems: string[];
}

/** Gives every command to a set in this state, each to a set of its own, and follows the sets to their ends. */
export async function cellsOf(live: LiveSets, name: string, copies: 1 | 2): Promise<Cell[]> {
  const state = states[name];
  if (state === undefined) throw new Error(`no state ${name}`);
  const cells = commands.map((command): Cell => ({ state: name, command, copies, problems: [] }));
  await state.before?.(live);
  const ids: string[] = [];
  for (let at = 0; at < cells.length; at += 1) ids.push(await live.begin(copies));
  await state.enter(live, ids, copies);
  const right = { ...state.right, ...(copies === 2 ? state.rightOfTwo : {}) };
  // A set that compresses may still be scanning in the catalog. `loaded` changes no set's state.
  for (const id of ids) await live.comesTo(id, ...right.loaded[1].split('|'));
  const each = (act: (cell: Cell, id: string, right: Right) => Promise<void>) =>
    Promise.all(cells.map((cell, at) => act(cell, ids[at] ?? '', right[cell.command])));
  await each(async ({ command, problems }, id, [says, after, , refused]) => {
    const { said, failed } = await obey(live, command, id);
    // A second one finds the set as the first has left it, and says the same.
    if (command === 'resume' && !failed) await obey(live, command, id);
    if (!says.test(said)) problems.push(`it said ${JSON.stringify(said)}`);
    if (failed !== (refused !== undefined)) problems.push(failed ? 'it was refused' : 'it was not refused');
    const { state: now } = await live.set(id);
    if (!after.split('|').includes(now)) problems.push(`then the set was ${now}, not ${after}`);
    if (command === 'discard' && !failed) problems.push(...(await leftBehind(live, id)));
  });
  await state.leave?.(live);
  live.letGo();
  await each(async ({ problems }, id, [, after, end]) => {
    if (after === 'paused') {
      const { state: now } = await live.set(id);
      if (now !== 'paused') problems.push(`the paused set was ${now} before it was resumed`);
      await live.command((session) => resume(session, id, true));
    }
    if (after === 'cancelled') await live.command((session) => retry(session, id, true));
    await live.comesTo(id, 'completed', 'failed', 'cancelled');
    const { state: now } = await live.set(id);
    if (now !== end) problems.push(`in the end the set was ${now}, not ${end}`);
    if (now === 'completed' && (await live.committed(id)) !== 3 * copies)
      problems.push(`of ${3 * copies} archives ${await live.committed(id)} are committed`);
  });
  return cells;
}

/**
 * What a discarded set has still: files in staging, or archives in the catalog of which it says that they are there.
 */
async function leftBehind({ settings, catalog }: LiveSets, id: string): Promise<string[]> {
  const root = settings.BACKUP_COMPRESS_DIR;
  const left = [tempDir(root, id), finalDir(root, id)].filter((folder) => existsSync(folder));
  const groups = await catalog
    .selectFrom('groups')
    .select(['no', 'state', 'reserved'])
    .where('set_id', '=', id)
    .execute();
  const still = groups.filter(
    ({ state, reserved }) => reserved > 0 || !['open', 'planned', 'failed', 'released'].includes(state),
  );
  return [
    ...left.map((folder) => `it left ${folder}`),
    ...still.map(({ no, state, reserved }) => `group ${no} is ${state}, with ${reserved} bytes of staging`),
  ];
}
