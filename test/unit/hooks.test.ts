import assert from 'node:assert/strict';
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import pino from 'pino';
import { hooksFailedSince, lastRound, setsLeftOpen } from '../../catalog/hooks/hook-runs.js';
import { beginHook, endHook, recordHookProcess } from '../../catalog/hooks/hook-runs.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import { openSet } from '../../catalog/sets/open-set.js';
import { recordSetState } from '../../catalog/sets/set-states.js';
import { checkHooks } from '../../client/checks/hook-checks.js';
import { loadSettings } from '../../config/settings/load-settings.js';
import { placeId } from '../../disk/this-place.js';
import type { Attempt } from '../../operations/attempt.js';
import { gatedProcess, startOf } from '../../operations/hooks/hook-process.js';
import { closeSources, openSources } from '../../operations/hooks/set-hook.js';
import { openNewCatalog } from '../support/catalogs.js';
import { tempFolder } from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';

let attempts = 0;

function attempt(signal = new AbortController().signal): Attempt {
  attempts += 1;
  return {
    token: `attempt-${attempts}`,
    signal,
    throwIfCancelled: () => signal.throwIfAborted(),
    report: () => undefined,
    commit: (step) => step(),
  };
}

/** A host with a hook whose commands are lines of a shell, and a set that runs it; `journal` has what they wrote. */
async function withHook(
  t: TestContext,
  lines: { before?: string; after?: string },
  more: Record<string, string> = {},
) {
  const root = tempFolder(t);
  const journal = path.join(root, 'journal');
  writeFileSync(journal, '');
  const shell = (line: string) => ['/bin/sh', '-c', line, journal];
  const hooks = {
    h: {
      ...(lines.before === undefined ? {} : { before: shell(lines.before) }),
      ...(lines.after === undefined ? {} : { after: shell(lines.after) }),
      ...more,
    },
  };
  writeFileSync(path.join(root, 'tapeflow.config.json'), JSON.stringify({ hooks }));
  const settings = loadSettings({ TAPEFLOW_DATA_DIR: root }, root);
  const catalog = await openNewCatalog(t);
  const deps = { settings, catalog, logger: pino({ level: 'silent' }) };
  const wanted = { sources: ['/srv/data'], excludes: [], pool: 'p', drive: 'd', mode: 'full', direct: false };
  const { set } = await openSet(catalog, { ...wanted, options: '{}', hook: 'h' }, { fresh: true });
  return {
    deps,
    catalog,
    setId: set.id,
    root,
    journal,
    written: () => readFileSync(journal, 'utf8').split('\n').slice(0, -1),
  };
}

/** As when the scan has ended, and everything is compressed. */
async function read(catalog: Catalog, setId: string): Promise<void> {
  await catalog.updateTable('sets').set({ scanned: 1 }).where('id', '=', setId).execute();
}

const note = (what: string) => `echo "${what} $TAPEFLOW_HOOK_STATE" >> "$0"`;

test('a before runs once while sources are read, its after once when nothing is read any more', async (t) => {
  const { deps, catalog, setId, written } = await withHook(t, {
    before: note('before'),
    after: note('after'),
  });
  await openSources(deps, setId, attempt());
  await openSources(deps, setId, attempt());
  await closeSources(deps, setId, 'read', attempt());
  assert.deepEqual(written(), ['before scanning'], 'the scan has not ended');
  await read(catalog, setId);
  await closeSources(deps, setId, 'read', attempt());
  await closeSources(deps, setId, 'end', attempt());
  await openSources(deps, setId, attempt());
  assert.deepEqual(written(), ['before scanning', 'after read'], 'nothing is to be read');
  // As by a retry of what must be compressed again.
  await catalog
    .insertInto('groups')
    .values({
      ...{ set_id: setId, no: 1, state: 'planned', bytes: 1, entries: 1, direct: 0, reserved: 0 },
      ...{ first_path: new Uint8Array(), last_path: new Uint8Array() },
    })
    .execute();
  await openSources(deps, setId, attempt());
  await closeSources(deps, setId, 'end', attempt());
  assert.deepEqual(written().slice(2), ['before scanning', 'after failed']);
  const events = await catalog.selectFrom('events').select('stage').where('stage', 'like', 'hook%').execute();
  assert.equal(events.length, 4);
});

test('a command is told of its set in its input and environment, and gets its arguments as they are', async (t) => {
  const { deps, setId, written } = await withHook(t, {
    before: 'cat >> "$0"; echo "$TAPEFLOW_HOOK $TAPEFLOW_HOOK_PHASE $TAPEFLOW_HOOK_SET" >> "$0"',
  });
  await openSources(deps, setId, attempt());
  const [told = '', env] = written();
  assert.deepEqual(JSON.parse(told), {
    ...{ hook: 'h', phase: 'before', setId, state: 'scanning', mode: 'full', sources: ['/srv/data'] },
  });
  assert.equal(env, `h before ${setId}`);
});

test('a before that fails ends its set, with its last words; the after runs, and a retry begins anew', async (t) => {
  const lines = { before: `${note('before')}; echo no space >&2; exit 3`, after: note('after') };
  const { deps, setId, written, catalog } = await withHook(t, lines);
  await assert.rejects(openSources(deps, setId, attempt()), {
    code: 'HookFailed',
    message: 'The before of the hook h has failed: /bin/sh ended with exit code 3: no space.',
  });
  await closeSources(deps, setId, 'failed', attempt());
  assert.deepEqual(written(), ['before scanning', 'after failed']);
  await assert.rejects(openSources(deps, setId, attempt()), { code: 'HookFailed' });
  // Its workflow was lost before it ended the set.
  await assert.rejects(openSources(deps, setId, attempt()), { code: 'HookFailed' });
  assert.deepEqual(written().slice(2), ['before scanning', 'after failed', 'before scanning']);
  await recordSetState(catalog, setId, 'failed', 'its before failed');
  assert.deepEqual(await hooksFailedSince(catalog, 0), [], 'that is told of the set');
});

test('where a failure is to change nothing, the set goes on, and it is told', async (t) => {
  const lines = { before: 'exit 1', after: 'exit 2' };
  const { deps, setId, catalog } = await withHook(t, lines, { onFailure: 'continue' });
  await openSources(deps, setId, attempt());
  await openSources(deps, setId, attempt());
  await closeSources(deps, setId, 'end', attempt());
  const failed = await hooksFailedSince(catalog, 0);
  assert.deepEqual(
    failed.map(({ round, phase, reason }) => [round, phase, reason]),
    [
      [1, 'before', '/bin/sh ended with exit code 1'],
      [1, 'after', '/bin/sh ended with exit code 2'],
    ],
  );
});

/** Waits for a process id that a command has written. */
async function pidIn(file: string): Promise<number> {
  await waitFor(
    () => existsSync(file) && readFileSync(file, 'utf8').trim() !== '',
    'a process to say its id',
  );
  return Number(readFileSync(file, 'utf8'));
}

test('a command that takes too long is ended with all that it has started', async (t) => {
  const before = 'sleep 1000 & echo $! > "$0".pid; wait';
  const { deps, setId, journal } = await withHook(t, { before }, { timeout: '2s' });
  await assert.rejects(openSources(deps, setId, attempt()), /did not end within 2 s, and was ended/);
  assert.equal(startOf(await pidIn(`${journal}.pid`)), undefined);
});

test('a cancelled step ends its command, and leaves it to be run again', async (t) => {
  const { deps, setId, journal, catalog } = await withHook(t, { before: 'echo $$ > "$0".pid; sleep 1000' });
  const stop = new AbortController();
  const running = openSources(deps, setId, attempt(stop.signal));
  const pid = await pidIn(`${journal}.pid`);
  stop.abort(new Error('cancelled'));
  await assert.rejects(running, /cancelled/);
  assert.equal(startOf(pid), undefined);
  assert.equal((await lastRound(catalog, setId)).before?.state, 'begun');
});

test('what a dead worker has left is ended before it is run again; another process is not', async (t) => {
  const { deps, setId, root, catalog, written } = await withHook(t, { before: note('before') });
  const place = placeId(root);
  const old = ['/bin/sh', '-c', 'sleep 1000'];
  const run = { setId, round: 1, phase: 'before', name: 'h', token: 'dead' } as const;
  const [left, other] = [gatedProcess(old, {}), gatedProcess(old, {})];
  // With what it has started, which would keep its output open.
  t.after(() => process.kill(-(other.pid ?? 0), 'SIGKILL'));
  for (const child of [left, other]) child.stdin.write('go\n');
  const [pid = 0, otherPid = 0] = [left.pid, other.pid];
  await beginHook(catalog, run);
  // As of a process that had this id before.
  await recordHookProcess(catalog, run, { pid: otherPid, started: '1', place });
  await openSources(deps, setId, attempt());
  assert.notEqual(startOf(otherPid), undefined);
  await catalog.updateTable('hook_runs').set({ state: 'begun', token: 'dead' }).execute();
  assert.ok(await recordHookProcess(catalog, run, { pid, started: startOf(pid) ?? '', place }));
  await openSources(deps, setId, attempt());
  assert.equal(startOf(pid), undefined);
  assert.deepEqual(written(), ['before scanning', 'before scanning']);
  // The dead one has no say any more.
  await endHook(catalog, run, { state: 'failed', reason: 'late', ms: 1 });
  assert.equal((await lastRound(catalog, setId)).before?.state, 'done');
});

test('a command whose starter dies before its process was written down runs nothing', async (t) => {
  const file = path.join(tempFolder(t), 'ran');
  const child = gatedProcess(['/bin/touch', file], {});
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.stdin.end();
  assert.equal(await ended, 127);
  assert.ok(!existsSync(file));
});

test('a hook that its host does not have fails a set before it reads, and is told when it was to close', async (t) => {
  const { deps, setId, catalog } = await withHook(t, { before: 'true', after: 'true' });
  const without = { ...deps, settings: { ...deps.settings, hooks: {} } };
  await assert.rejects(openSources(without, setId, attempt()), { code: 'NoSuchHook' });
  await openSources(deps, setId, attempt());
  await closeSources(without, setId, 'end', attempt());
  const [failed] = await hooksFailedSince(catalog, 0);
  assert.match(failed?.reason ?? '', /has no hook of that name/);
});

test('a set that ended while its host was away is found there', async (t) => {
  const { deps, setId, catalog } = await withHook(t, { before: 'true', after: 'true' });
  await openSources(deps, setId, attempt());
  const later = Date.now() + 1000;
  assert.deepEqual(await setsLeftOpen(catalog, null, later), [], 'it has not ended');
  await recordSetState(catalog, setId, 'cancelled', null);
  assert.deepEqual(await setsLeftOpen(catalog, 'other', later), []);
  assert.deepEqual(await setsLeftOpen(catalog, null, later), [setId]);
  await closeSources(deps, setId, 'end', attempt());
  assert.deepEqual(await setsLeftOpen(catalog, null, later), []);
});

test('a wrong hook in the file is one sentence', (t) => {
  const root = tempFolder(t);
  const load = (hooks: unknown) => {
    writeFileSync(path.join(root, 'tapeflow.config.json'), JSON.stringify({ hooks }));
    return loadSettings({ TAPEFLOW_DATA_DIR: root }, root);
  };
  assert.throws(() => load({ h: { before: 'rm -rf /' } }), /hooks\.h\.before.*list of the program/);
  assert.throws(() => load({ h: { before: [] } }), /hooks\.h\.before.*list of the program/);
  assert.throws(() => load({ h: { before: ['x'], timeout: '5m' } }), /hooks\.h\.timeout.*10min/);
  assert.throws(() => load({ h: { befor: ['x'] } }), /befor/);
});

test('doctor says which program is missing, and that others may choose it', (t) => {
  const root = tempFolder(t);
  const file = path.join(root, 'tapeflow.config.json');
  const commands = { before: ['/bin/true'], after: [path.join(root, 'missing')] };
  writeFileSync(file, JSON.stringify({ hooks: { h: commands } }), { mode: 0o600 });
  const settings = loadSettings({ TAPEFLOW_DATA_DIR: root }, root);
  const levels = () => checkHooks(settings).map(({ what, level }) => `${what}: ${level}`);
  assert.deepEqual(levels(), ['hook h, before: ok', 'hook h, after: trouble']);
  chmodSync(file, 0o666);
  assert.equal(levels().at(-1), 'hooks: trouble');
});

test('what a command leaves in the background keeps nobody waiting', async (t) => {
  const { deps, setId, journal } = await withHook(t, { before: 'sleep 1000 & echo $! > "$0".pid' });
  await openSources(deps, setId, attempt());
  const pid = await pidIn(`${journal}.pid`);
  assert.notEqual(startOf(pid), undefined);
  process.kill(pid, 'SIGKILL');
});
