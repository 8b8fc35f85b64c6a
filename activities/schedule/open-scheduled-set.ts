import { recordRun, recordRunSet, requireOpenRun, scheduleNamed } from '../../catalog/server/schedules.js';
import type { ScheduleRow, SetRow } from '../../catalog/rows.js';
import { placesOf, type CopyPlace } from '../../catalog/sets/copy-places.js';
import { openSet, unfinishedSetsLike } from '../../catalog/sets/open-set.js';
import { rememberSeenSets } from '../../catalog/sets/set-id.js';
import { setFoldersInDrives } from '../../tape/files/set-folders.js';
import type { NewSet } from '../../catalog/sets/set-differences.js';
import { onHost } from '../../entry/host-path.js';
import { TapeflowFailure } from '../../config/failures.js';
import { requireSources } from '../../source/require-sources.js';
import { resolveTaken, type Taken } from '../../source/taken/resolve-taken.js';
import { asAttempt } from '../attempt.js';
import { endingRefusedRun } from './end-refused-run.js';
import { usualCondition } from '../conditions.js';
import type { Attempt } from '../../operations/attempt.js';
import type { Deps } from '../../operations/deps.js';
import { afterLeft, askedSources, whomOfSource, type AskedByThread } from '../set/asked-sources.js';
import { requireRecipients } from '../../operations/encryption/identities.js';
import {
  scheduledWork,
  type ScheduleCall,
  type ScheduledBackup,
} from '../../operations/sets/scheduled-work.js';
import { snapshotOptions, setOptions, type SetOptions } from '../../operations/sets/set-options.js';
import { clauses } from '../../messages/joined.js';
import { english } from '../../messages/sentence.js';

/** A set that a schedule run starts. */
export interface ScheduledSet {
  setId: string;
  /** The host that has its sources; not given: the home of the installation. */
  host?: string;
  /** The first few of its sources. */
  sources: string[];
  pool: string;
  drive: string;
  places?: CopyPlace[];
  scanned: boolean;
  paused: boolean;
  options: SetOptions;
  /** Given if the set has a hook. */
  hook?: true;
}

/** Of the sources of a set so many are shown in the Temporal UI, and as many as have so many characters in all. */
const sourcesShown = 20;
const charactersShown = 5000;
/** Of other unfinished sets of the same sources so many are named in a run's result: the server accepts 2 MiB. */
const othersNamed = 20;
/** Maximum number of identical unfinished sets: one for each night of a week in which nobody loads a tape. */
const maxUnfinished = 7;
/** The set that a schedule asks for now: what of its sources is taken is read anew. */
function wantedBy({ settings }: Deps, backup: ScheduledBackup): NewSet {
  const { host, drive, pool, places, mode, direct, allowShrunk, encrypt, hook } = backup;
  return {
    host,
    ...takenBy(backup),
    drive,
    pool,
    places,
    mode,
    direct,
    ...(encrypt === true || settings.ENCRYPT ? { recipients: recipientsIn(settings) } : {}),
    allowShrunk,
    hook,
    options: snapshotOptions(settings, backup),
  };
}

function recipientsIn({ AGE_RECIPIENTS: recipients }: Deps['settings']): string[] {
  if (recipients !== undefined) return recipients;
  throw new TapeflowFailure(
    'NoRecipients',
    english`The set is to be encrypted, and AGE_RECIPIENTS is not set.`,
    { advice: english`Set it for the workers.` },
  );
}

function takenBy({ sources, excludes, asked }: ScheduledBackup): Taken {
  return asked === undefined ? { sources, excludes, taken: {} } : resolveTaken(asked, asked.paths);
}

function resolvable<Result>(resolve: () => Result): Result | undefined {
  try {
    return resolve();
  } catch (error) {
    if (error instanceof TapeflowFailure) return undefined;
    throw error;
  }
}

/** The same, whatever paths its list has now. */
function withAnyList(wanted: NewSet): NewSet {
  if (wanted.taken?.list === undefined) return wanted;
  const { file, paths } = wanted.taken.list;
  return { ...wanted, taken: { ...wanted.taken, list: { file, paths } } };
}

function backupOf({ name, arguments: text }: ScheduleRow): ScheduledBackup {
  const work = scheduledWork(text);
  if (!('kind' in work)) return work;
  throw new TapeflowFailure('OtherSchedule', english`The schedule ${name} backs nothing up.`);
}

function scheduledSet(set: SetRow): ScheduledSet {
  return {
    setId: set.id,
    ...(set.host === null ? {} : { host: set.host }),
    sources: firstSources((JSON.parse(set.sources) as string[]).map((source) => onHost(set.host, source))),
    pool: set.pool,
    drive: set.drive,
    ...(set.places === null ? {} : { places: placesOf(set) }),
    scanned: set.scanned === 1,
    paused: set.state === 'paused',
    options: setOptions(set),
    ...(set.hook === null ? {} : { hook: true }),
  };
}

function firstSources(sources: readonly string[]): string[] {
  let left = charactersShown;
  return sources.slice(0, sourcesShown).filter((source) => (left -= source.length) >= 0);
}

/** Unfinished sets of the same backup left by earlier runs or users, oldest first. */
export function earlierSets(deps: Deps, { name, runAt }: ScheduleCall): Promise<ScheduledSet[]> {
  return asAttempt(async () => {
    const backup = backupOf(await scheduleNamed(deps.catalog, name));
    await recordRun(deps.catalog, name, runAt);
    const wanted = resolvable(() => withAnyList(wantedBy(deps, backup)));
    // What makes it impossible is said by the step that opens the set.
    if (wanted === undefined) return [];
    const found = await unfinishedSetsLike(deps.catalog, wanted);
    return found
      .filter(({ differs }) => differs.length === 0)
      .map(({ set }) => scheduledSet(set))
      .reverse();
  });
}

/**
 * Creates the set of one schedule run, with the current settings, or finds it if an earlier attempt created it. Refused
 * while a week of such sets is waiting: more would fill the catalog and add nothing that the next one would not
 * contain.
 *
 * @returns the set, and notes: its base, and other unfinished sets of its sources.
 */
export function openScheduledSet(
  deps: Deps,
  call: ScheduleCall,
  madeBy: string,
): Promise<ScheduledSet & { notes: string[] }> {
  const asks = askedSources(deps.settings);
  const open = async (attempt: Attempt) => {
    const { catalog } = deps;
    const { name, runAt } = call;
    const schedule = await scheduleNamed(catalog, name);
    requireOpenRun(schedule, runAt);
    return endingRefusedRun(deps, call, async () => {
      const look = () => lookAtSources(deps, schedule, attempt, asks);
      const opened = await openOnce(deps, schedule, call, madeBy, look);
      await recordRunSet(catalog, name, runAt, opened.setId);
      return opened;
    });
  };
  return asAttempt(open, usualCondition, asks);
}

/** Whatever `backup` would refuse is refused here too. */
async function lookAtSources(
  { settings }: Deps,
  schedule: ScheduleRow,
  attempt: Attempt,
  asks: AskedByThread,
): Promise<void> {
  const backup = backupOf(schedule);
  await afterLeft(attempt, backup.sources);
  const { sources, excludes, taken } = takenBy(backup);
  let looks = 0;
  const onLook = (source: string) => {
    looks += 1;
    asks.follow({ moves: () => looks, whom: () => whomOfSource(source) });
  };
  await requireSources(settings, sources, excludes, onLook, taken).finally(() => asks.follow(undefined));
}

async function openOnce(
  deps: Deps,
  schedule: ScheduleRow,
  { name, runAt }: ScheduleCall,
  madeBy: string,
  look: () => Promise<void>,
): Promise<ScheduledSet & { notes: string[] }> {
  const { catalog, settings } = deps;
  const wasMade = schedule.run_at === runAt && schedule.run_set !== null;
  const { asked, ...stored } = backupOf(schedule);
  // A set that is there keeps what it takes.
  const backup = wasMade || asked === undefined ? stored : { ...stored, asked };
  if (!wasMade) await look();
  await rememberSeenSets(catalog, await setFoldersInDrives(settings));
  const wanted = { ...wantedBy(deps, backup), madeBy };
  if (wanted.recipients !== undefined) await requireRecipients(wanted.recipients);
  const same = (await unfinishedSetsLike(catalog, withAnyList(wanted))).filter(
    ({ differs }) => differs.length === 0,
  );
  const isMade = same.some(({ set }) => set.made_by === madeBy);
  if (same.length >= maxUnfinished && !isMade) {
    const ids = same.map(({ set }) => set.id).reverse();
    throw new TapeflowFailure(
      'TooManyUnfinished',
      english`The schedule ${name} makes no further set while ${same.length} of its sets are unfinished:
        ${ids.join(', ')}.`,
      { advice: english`\`tapeflow status ${ids[0] ?? ''}\` says what the first one waits for.` },
    );
  }
  const { set, note, others } = await openSet(catalog, wanted, { fresh: true });
  const notes = others
    .slice(0, othersNamed)
    .map(
      ({ id, differs }) =>
        english`The unfinished set ${id} of these sources is another one: ${clauses(differs)}.`,
    );
  return { ...scheduledSet(set), notes: note === undefined ? notes : [note, ...notes] };
}
