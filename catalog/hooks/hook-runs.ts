import { recordEvents } from '../groups/events.js';
import type { Catalog } from '../open-catalog.js';
import type { HookRunRow } from '../rows.js';
import { finalSetStates } from '../schema/set-tables.js';
import { isOfHost } from '../sets/set-host.js';
import { setNamed } from '../sets/sets.js';

/** Which of a hook's commands. */
export type HookPhase = HookRunRow['phase'];

/** What is known of the process of a command, so that it can be found again. */
export interface HookProcess {
  pid: number;
  /** When that process began, in the words of its system; with the pid it names one process for ever. */
  started: string;
  /** The running system that has it. */
  place: string;
}

/** The last round of a set's hook: the rows of its `before` and its `after`, as far as there are. */
export interface HookRound {
  /** From 1; 0: there was none. */
  round: number;
  before: HookRunRow | undefined;
  after: HookRunRow | undefined;
}

/** The last round of a set. */
export async function lastRound(db: Catalog, setId: string): Promise<HookRound> {
  const rows = await db
    .selectFrom('hook_runs')
    .selectAll()
    .where('set_id', '=', setId)
    .orderBy('round', 'desc')
    .limit(2)
    .execute();
  const round = rows[0]?.round ?? 0;
  const of = (phase: HookPhase) => rows.find((row) => row.round === round && row.phase === phase);
  return { round, before: of('before'), after: of('after') };
}

/** True between the beginning of a `before` and the success, or the failure, of the `after` that belongs to it. */
export function isOpen({ before, after }: HookRound): boolean {
  return before !== undefined && (after === undefined || after.state === 'begun');
}

/**
 * Begins a command of a round, or takes over an attempt that ended without a result.
 *
 * @returns the process of that attempt, which may still be at work; undefined: none is known.
 */
export async function beginHook(
  catalog: Catalog,
  run: { setId: string; round: number; phase: HookPhase; name: string; token: string },
): Promise<HookProcess | undefined> {
  const { setId, round, phase, name, token } = run;
  return catalog.transaction().execute(async (tx) => {
    const row = await rowOf(tx, run);
    await tx
      .insertInto('hook_runs')
      .values({ set_id: setId, round, phase, name, token, state: 'begun', begun_at: Date.now() })
      .onConflict((conflict) =>
        conflict
          .columns(['set_id', 'round', 'phase'])
          .doUpdateSet({ token, name, state: 'begun', ended_at: null, reason: null }),
      )
      .execute();
    if (row?.pid == null || row.started === null || row.place === null) return undefined;
    return { pid: row.pid, started: row.started, place: row.place };
  });
}

/**
 * Records the process that is to run a command, before it does.
 * @returns false when a later attempt has taken over: then it must not run.
 */
export async function recordHookProcess(
  catalog: Catalog,
  run: { setId: string; round: number; phase: HookPhase; token: string },
  { pid, started, place }: HookProcess,
): Promise<boolean> {
  const { numUpdatedRows } = await catalog
    .updateTable('hook_runs')
    .set({ pid, started, place })
    .where('set_id', '=', run.setId)
    .where('round', '=', run.round)
    .where('phase', '=', run.phase)
    .where('token', '=', run.token)
    .where('state', '=', 'begun')
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

/** Records how a command ended, with an event of its set; nothing when a later attempt has taken over. */
export async function endHook(
  catalog: Catalog,
  run: { setId: string; round: number; phase: HookPhase; name: string; token: string },
  end: { state: 'done' | 'failed'; reason: string | null; ms: number },
): Promise<void> {
  const { setId, round, phase, name, token } = run;
  const { state, reason, ms } = end;
  await catalog.transaction().execute(async (tx) => {
    const { numUpdatedRows } = await tx
      .updateTable('hook_runs')
      .set({ state, reason, ended_at: Date.now(), pid: null, started: null, place: null })
      .where('set_id', '=', setId)
      .where('round', '=', round)
      .where('phase', '=', phase)
      .where('token', '=', token)
      .where('state', '=', 'begun')
      .executeTakeFirst();
    if (numUpdatedRows === 0n) return;
    const detail = `${name}${reason === null ? '' : `: ${reason}`}`;
    await recordEvents(tx, [{ setId, group: null, stage: `hook_${phase}_${state}`, ms, detail }]);
  });
}

function rowOf(
  db: Catalog,
  { setId, round, phase }: { setId: string; round: number; phase: HookPhase },
): Promise<HookRunRow | undefined> {
  return db
    .selectFrom('hook_runs')
    .selectAll()
    .where('set_id', '=', setId)
    .where('round', '=', round)
    .where('phase', '=', phase)
    .executeTakeFirst();
}

/**
 * True while something of a set's sources may still be read: what is not scanned or not compressed, and what goes
 * directly to tape and is not there.
 */
export async function needsSources(db: Catalog, setId: string): Promise<boolean> {
  const { scanned } = await setNamed(db, setId);
  if (scanned === 0) return true;
  const group = await db
    .selectFrom('groups')
    .select('no')
    .where('set_id', '=', setId)
    .where((eb) =>
      eb.or([
        eb('state', 'in', ['open', 'planned', 'compressing']),
        eb.and([eb('direct', '=', 1), eb('state', 'in', ['queued', 'writing'])]),
      ]),
    )
    .limit(1)
    .executeTakeFirst();
  return group !== undefined;
}

/** Commands that failed since a time (milliseconds since 1970), and did not make their set fail. */
export function hooksFailedSince(db: Catalog, since: number): Promise<HookRunRow[]> {
  return db
    .selectFrom('hook_runs')
    .innerJoin('sets', 'sets.id', 'hook_runs.set_id')
    .selectAll('hook_runs')
    .where('hook_runs.state', '=', 'failed')
    .where((eb) => eb.or([eb('phase', '=', 'after'), eb('sets.state', 'not in', ['failed', 'cancelled'])]))
    .where('ended_at', '>', since)
    .orderBy('ended_at')
    .execute();
}

/** Sets of a host (null: the home) that had ended before a time, and whose hook has begun and was not closed. */
export async function setsLeftOpen(db: Catalog, host: string | null, endedBefore: number): Promise<string[]> {
  const rows = await db
    .selectFrom('hook_runs')
    .innerJoin('sets', 'sets.id', 'hook_runs.set_id')
    .select('set_id')
    .distinct()
    .where(isOfHost(host))
    .where('sets.state', 'in', finalSetStates)
    .where('sets.finished_at', '<', endedBefore)
    .where('hook_runs.phase', '=', 'before')
    .where((eb) =>
      eb.not(
        eb.exists(
          eb
            .selectFrom('hook_runs as closed')
            .select('closed.round')
            .whereRef('closed.set_id', '=', 'hook_runs.set_id')
            .whereRef('closed.round', '=', 'hook_runs.round')
            .where('closed.phase', '=', 'after')
            .where('closed.state', '!=', 'begun'),
        ),
      ),
    )
    .orderBy('set_id')
    .execute();
  return rows.map((row) => row.set_id);
}
