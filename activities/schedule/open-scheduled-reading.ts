import { withDrivesOfHosts } from '../../catalog/hosts/known-drives.js';
import { openRead, type ReadRequest } from '../../catalog/retrievals/open-read.js';
import { subjectName } from '../../catalog/retrievals/retrieval-subject.js';
import { finalRetrievalStates, retrievalNamed } from '../../catalog/retrievals/retrievals.js';
import { reasonOf } from '../../catalog/retrievals/retrieval-problems.js';
import type { RetrievalState } from '../../catalog/schema/retrieval-tables.js';
import { isSetId } from '../../catalog/sets/set-id.js';
import type { RetrievalRow, ScheduleRow } from '../../catalog/rows.js';
import {
  recordRun,
  recordRunEnd,
  recordRunSet,
  requireOpenRun,
  scheduleNamed,
} from '../../catalog/server/schedules.js';
import { TapeflowFailure } from '../../config/failures.js';
import { driveNamed } from '../../config/settings/drives.js';
import type { DriveSettings, Settings } from '../../config/settings/settings.js';
import { queryDrive } from '../../tape/drives/query-drive.js';
import { asAttempt } from '../attempt.js';
import { endingRefusedRun } from './end-refused-run.js';
import { pauseFor } from '../../operations/attempt.js';
import type { Deps } from '../../operations/deps.js';
import { retrievalStart, type RetrievalStart } from '../../operations/retrievals/retrieval-start.js';
import {
  scheduledWork,
  type ScheduleCall,
  type ScheduledReading,
} from '../../operations/sets/scheduled-work.js';
import { english } from '../../messages/sentence.js';

/** State of a verify or copy when a schedule run stops following it. */
export interface SettledReading {
  id: string;
  status: RetrievalState;
  reason: string | null;
}

/** Milliseconds between checks of it. */
const lookEveryMs = 1000;

/**
 * The verify or copy of one schedule run: an unfinished one of an earlier run or a user, or else a new one. While it
 * waits for a tape, no second one is made that would need the same tape.
 *
 * @returns how to start it; null: nothing to do, since everything is already on tapes of the pool.
 */
export function openScheduledReading(deps: Deps, call: ScheduleCall): Promise<RetrievalStart | null> {
  return asAttempt(async () => {
    const { catalog } = deps;
    const settings = await withDrivesOfHosts(deps.settings, async () => catalog);
    const { name, runAt } = call;
    const schedule = await scheduleNamed(catalog, name);
    const reading = readingOf(schedule);
    // There was nothing to do, but that answer was lost.
    if (schedule.run_at === runAt && schedule.run_ended_at !== null && schedule.run_reason === null)
      return null;
    requireOpenRun(schedule, runAt);
    const before = await madeBefore(deps, schedule, runAt);
    await recordRun(catalog, name, runAt, before?.id ?? null);
    const started = (row: RetrievalRow): RetrievalStart => {
      const repairs = row.kind === 'verify' && reading.kind === 'verify' && reading.slice?.repair === true;
      return { ...retrievalStart(settings, row), ...(repairs ? { repairs } : {}) };
    };
    if (before !== undefined) return started(before);
    return endingRefusedRun(deps, call, async () => {
      const row = await openOne(deps, settings, reading);
      if (row === undefined) {
        await recordRunEnd(catalog, name, runAt, null);
        return null;
      }
      await recordRunSet(catalog, name, runAt, row.id);
      return started(row);
    });
  });
}

function readingOf({ name, arguments: text }: ScheduleRow): ScheduledReading {
  const work = scheduledWork(text);
  if ('kind' in work) return work;
  throw new TapeflowFailure('OtherSchedule', english`The schedule ${name} is a backup.`);
}

/** What an earlier attempt of this run made, or an earlier run left unfinished. */
async function madeBefore(
  { catalog }: Deps,
  { run_at: lastAt, run_set: id }: ScheduleRow,
  runAt: number,
): Promise<RetrievalRow | undefined> {
  if (id === null || isSetId(id)) return undefined;
  const row = await retrievalNamed(catalog, id);
  return lastAt === runAt || !finalRetrievalStates.includes(row.state) ? row : undefined;
}

async function openOne(
  { catalog }: Deps,
  settings: Settings,
  { subject, ...reading }: ScheduledReading,
): Promise<RetrievalRow | undefined> {
  const wanted: ReadRequest = reading;
  const drive = driveNamed(settings, wanted.drive);
  if (wanted.kind === 'copy' && wanted.toDrive !== null) driveNamed(settings, wanted.toDrive);
  const loaded = () => tapesInDrives(settings, { drive: drive.name, any_drive: wanted.any_drive ?? 0 });
  const opened = await openRead(catalog, await subjectName(catalog, subject, wanted.kind), wanted, loaded);
  return 'row' in opened ? opened.row : undefined;
}

/** UUIDs of the tapes in the drives that may read; a silent drive is no obstacle, and has none. */
export async function tapesInDrives(
  settings: Settings,
  { drive, any_drive }: Pick<RetrievalRow, 'drive' | 'any_drive'>,
): Promise<string[]> {
  const drives = any_drive === 1 ? settings.drives : [driveNamed(settings, drive)];
  const labelIn = (one: DriveSettings) =>
    queryDrive(settings, one, async (asked) => (await asked.label())?.uuid).catch(() => undefined);
  return (await Promise.all(drives.map(labelIn))).filter((uuid) => uuid !== undefined);
}

/** Waits until a verify or copy has ended or needs someone to act. */
export function settleReading({ catalog }: Deps, id: string): Promise<SettledReading> {
  return asAttempt(async (attempt) => {
    for (;;) {
      const row = await retrievalNamed(catalog, id);
      if (row.state !== 'running') return { id, status: row.state, reason: await reasonOf(catalog, row) };
      attempt.report({ step: 'following', id });
      await pauseFor(attempt, lookEveryMs);
    }
  });
}
