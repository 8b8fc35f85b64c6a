import { createHash } from 'node:crypto';
import { successesOfTrees } from '../../catalog/notices/ended.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import { isAtWork, lastRunOf, listSchedules, settledUntil } from '../../catalog/server/schedules.js';
import type { ScheduleRow } from '../../catalog/rows.js';
import { cronTimesOn } from '../../config/cron-times.js';
import { formatTime, formatTimeIn } from '../../config/local-time.js';
import { localDate } from '../../config/time-zone.js';
import { t } from '../../messages/shown.js';
import { scheduledTree } from '../sets/scheduled-work.js';
import type { Fact } from './message.js';
import { sourcesText } from './run-facts.js';

const dayMs = 86_400_000;
/**
 * Milliseconds that a run may come late, as on a machine that is busy, before it counts as missed: so few that people
 * are told within a minute of its time.
 */
export const lateMs = 40_000;
/** How far back a time is looked for that a schedule has missed; what comes less often is told by `no_success`. */
const lookBackMs = 35 * dayMs;
/** Successes after which a tree that no schedule backs up counts as one that is backed up regularly. */
const habit = 3;
/** A tree without a schedule that is silent for so much longer was given up. */
const givenUpMs = 60 * dayMs;

/** The last time at which a schedule was due, between two times; undefined: none. */
export function lastDue(
  { cron, zone }: Pick<ScheduleRow, 'cron' | 'zone'>,
  after: number,
  until: number,
): number | undefined {
  // From the day after, since a time that the clocks skip before midnight comes on the next date.
  for (let day = until + dayMs; day > after - 2 * dayMs; day -= dayMs) {
    const times = cronTimesOn(cron, zone, localDate(zone, day)).filter((at) => at > after && at <= until);
    const last = times.at(-1);
    if (last !== undefined) return last;
  }
  return undefined;
}

/** Schedules of which a run did not begin, or made nothing. */
export async function scheduleFacts(db: Catalog, now: number, mayBeMissed: boolean): Promise<Fact[]> {
  const facts: Fact[] = [];
  for (const row of await listSchedules(db)) {
    if (row.paused === 1) continue;
    const { name, run_at: runAt, run_set: made, run_ended_at: endedAt, run_reason: reason } = row;
    if (made === null && reason !== null && endedAt !== null && endedAt > now - dayMs)
      facts.push({
        ...{ event: 'failed', key: `failed schedule ${name} ${runAt}`, subject: t`Schedule ${name}` },
        what: t`Schedule ${name} ran at ${formatTime(runAt ?? endedAt)} and made nothing: ${reason}`,
        todo: t`Mend that, then let it run again.`,
        command: `tapeflow schedule run ${name}`,
      });
    const missed = mayBeMissed ? await missedFact(db, row, now) : undefined;
    if (missed !== undefined) facts.push(missed);
  }
  return facts;
}

/** That a schedule was due, and did not run; undefined: it did, or a run is at work, or it is paused. */
export async function missedFact(db: Catalog, row: ScheduleRow, now: number): Promise<Fact | undefined> {
  const { name, zone, paused } = row;
  const missed = paused === 1 ? undefined : await missedTime(db, row, now);
  if (missed === undefined) return undefined;
  return {
    ...{ event: 'schedule_missed', key: `missed ${name} ${missed}`, subject: t`Schedule ${name}` },
    what: t`Schedule ${name} was due at ${formatTimeIn(zone, missed)} (${zone}), and did not run.`,
    todo: t`See what does not run (\`tapeflow doctor\`), then run it now.`,
    command: `tapeflow schedule run ${name}`,
  };
}

/** The last time at which a schedule was due, if no run has begun since and none is at work. */
async function missedTime(db: Catalog, row: ScheduleRow, now: number): Promise<number | undefined> {
  const due = lastDue(row, Math.max(settledUntil(row), now - lookBackMs), now - lateMs);
  if (due === undefined) return undefined;
  // A run that is due while another lasts comes after that.
  return isAtWork(await lastRunOf(db, row)) ? undefined : due;
}

/** What is backed up regularly, or should be by a schedule. */
interface Tree {
  host: string | null;
  /** JSON of its sources. */
  sources: string;
  /** When its last success was begun; undefined: it has none. */
  newest: number | undefined;
  /** Since when it is missed. */
  since: number;
  schedule?: string;
}

/** Trees that were backed up regularly, or should be by a schedule, and were not for so many days. */
export async function noSuccessFacts(db: Catalog, now: number, days: number): Promise<Fact[]> {
  if (days === 0) return [];
  const oldest = now - days * dayMs;
  const keyOf = ({ host, sources }: Pick<Tree, 'host' | 'sources'>) => `${host ?? ''} ${sources}`;
  const successes = await successesOfTrees(db);
  const newestOf = new Map(successes.map((tree) => [keyOf(tree), tree.newest]));
  const trees = new Map<string, Tree>();
  for (const tree of successes)
    if (tree.count >= habit && tree.newest > oldest - givenUpMs)
      trees.set(keyOf(tree), { ...tree, since: tree.newest });
  for (const row of await listSchedules(db)) {
    const tree = row.paused === 1 ? undefined : scheduledTree(row.arguments);
    if (tree === undefined) continue;
    const newest = newestOf.get(keyOf(tree));
    const since = Math.max(row.created_at, row.resumed_at ?? 0, newest ?? 0);
    trees.set(keyOf(tree), { ...tree, newest, since, schedule: row.name });
  }
  return [...trees.values()].filter(({ since }) => since < oldest).map((tree) => noSuccess(tree, days));
}

function noSuccess({ host, sources, newest, schedule }: Tree, days: number): Fact {
  const names = sourcesText(host, sources);
  const key = createHash('sha256')
    .update(`${host ?? ''} ${sources}`)
    .digest('hex');
  return {
    ...{ event: 'no_success', key: `no success ${key}`, subject: names },
    what:
      newest === undefined
        ? t`No backup of ${names} has succeeded for ${days} days: there was none.`
        : t`No backup of ${names} has succeeded for ${days} days: the last one was begun at ${formatTime(newest)}.`,
    todo: t`See how the last ones ended (\`tapeflow sets\`), mend that, and back it up.`,
    command: schedule === undefined ? 'tapeflow sets' : `tapeflow schedule run ${schedule}`,
  };
}
