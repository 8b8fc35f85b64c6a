import type { Catalog } from '../open-catalog.js';
import { recordRetrieval, retrievalNamed } from './retrievals.js';
import type { RetrievalRow } from '../rows.js';
import { finalSetStates } from '../schema/set-tables.js';
import { placesOf } from '../sets/copy-places.js';

/** A search for a tape in several drives; each drive is checked by its own worker. */
export interface TapeSearch {
  /** Number of the search within its retrieval; later searches have larger numbers. */
  at: number;
  drives: readonly string[];
}

/** What a check of one drive found: the wanted tape is not in it. */
export interface DriveLook {
  /** The reason, as in `TapeNotReady`. */
  reason: string;
  /** The same as a sentence. */
  message: string;
  /** What helps besides loading the right tape; empty when nothing does. */
  first: string;
  /** The tape in it, if it is one of ours. */
  loaded: string | null;
}

interface Looks {
  at: number;
  /** The drive in which the tape was found. */
  found: string | null;
  drives: Record<string, DriveLook>;
}

/** What all checks of a search have found; results of an earlier search are ignored. */
function looksOf({ looks }: Pick<RetrievalRow, 'looks'>, { at }: TapeSearch): Looks {
  const stored = looks === null ? undefined : (JSON.parse(looks) as Looks);
  return stored !== undefined && stored.at >= at ? stored : { at, found: null, drives: {} };
}

/** True when a drive's result no longer counts: another drive has ended the search, or a later search has begun. */
function isOver(looks: Looks, { at }: TapeSearch, drive: string): boolean {
  return looks.at !== at || (looks.found !== null && looks.found !== drive);
}

async function writeLooks(tx: Catalog, id: string, looks: Looks): Promise<void> {
  await tx
    .updateTable('retrievals')
    .set({ looks: JSON.stringify(looks) })
    .where('id', '=', id)
    .execute();
}

/**
 * Records that a drive does not have the tape that a retrieval wants. Once all drives have reported so, or when
 * `patient` is false, the retrieval waits, and its reason says what is in each drive and where to load the tape.
 * Nothing is recorded once another drive has the tape, or a later search has begun.
 *
 * @returns true when the retrieval waits.
 */
export async function noteMissing(
  catalog: Catalog,
  id: string,
  search: TapeSearch,
  drive: string,
  { look, tape, patient }: { look: DriveLook; tape: string; patient: boolean },
): Promise<boolean> {
  const noted = (row: RetrievalRow) => {
    const looks = looksOf(row, search);
    const after = { ...looks, found: null, drives: { ...looks.drives, [drive]: look } };
    return { looks: after, over: isOver(looks, search, drive) };
  };
  const busy = await drivesOfSets(catalog);
  const before = await retrievalNamed(catalog, id);
  const reasonFor = ({ drives }: Looks) =>
    patient && search.drives.some((one) => drives[one] === undefined)
      ? undefined
      : wantedIn(tape, drives, search.drives, busy);
  const now = noted(before);
  if (now.over) return false;
  // A check every second must not cause a commit every second.
  if (JSON.stringify(now.looks) === before.looks && before.reason === (reasonFor(now.looks) ?? null))
    return before.state === 'waiting_for_tape';
  return catalog.transaction().execute(async (tx) => {
    const { looks, over } = noted(await retrievalNamed(tx, id));
    if (over) return false;
    await writeLooks(tx, id, looks);
    const reason = reasonFor(looks);
    if (reason === undefined) return false;
    await recordRetrieval(tx, id, 'waiting_for_tape', reason);
    return true;
  });
}

/**
 * Ends a search: the drive has the tape, or there is nothing left to search for. Anything recorded with it is in the
 * same transaction. Returns false and records nothing when another drive has ended the search, or a later one has
 * begun.
 */
export async function endSearch(
  catalog: Catalog,
  id: string,
  search: TapeSearch,
  drive: string,
  note: (tx: Catalog) => Promise<void> = () => Promise.resolve(),
): Promise<boolean> {
  return catalog.transaction().execute(async (tx) => {
    const row = await retrievalNamed(tx, id);
    const looks = looksOf(row, search);
    if (isOver(looks, search, drive)) return false;
    await writeLooks(tx, id, { ...looks, found: drive });
    await note(tx);
    if (row.state === 'waiting_for_tape') await recordRetrieval(tx, id, 'running', null);
    return true;
  });
}

/** Drives used by unfinished sets, each with one such set. */
async function drivesOfSets(db: Catalog): Promise<Map<string, string>> {
  const sets = await db
    .selectFrom('sets')
    .select(['id', 'pool', 'drive', 'places'])
    .where('state', 'not in', finalSetStates)
    .orderBy('id')
    .execute();
  return new Map(sets.flatMap((set) => placesOf(set).map(({ drive }) => [drive, set.id] as const)));
}

/**
 * What is in the drives, and which of them should get the tape: preferably one that no set writes with, and never one
 * that somebody else holds or that has not answered.
 */
export function wantedIn(
  tape: string,
  looks: Readonly<Record<string, DriveLook>>,
  drives: readonly string[],
  busy: ReadonlyMap<string, string>,
): string {
  const seen = drives.flatMap((drive) => {
    const look = looks[drive];
    return look === undefined ? [] : [{ drive, ...look }];
  });
  const holding = seen.flatMap(({ drive, loaded }) =>
    loaded === null ? [] : [`${loaded} is in drive ${drive}`],
  );
  const others = seen.filter(({ loaded }) => loaded === null);
  const usable = seen.filter(({ reason }) => reason !== 'drive_held').map(({ drive }) => drive);
  const free = usable.filter((drive) => !busy.has(drive));
  const into = free.length > 0 ? free : usable.length > 0 ? usable : drives;
  const passed = free.length > 0 ? usable.filter((drive) => busy.has(drive)) : [];
  const silent = drives.filter((drive) => looks[drive] === undefined);
  return [
    holding.length > 0 ? `${holding.join(', ')}, but ${tape} is wanted.` : `The tape ${tape} is wanted.`,
    ...others.map(({ message, first }) => `${message}${first === '' ? '' : ` ${first.trim()}`}`),
    ...silent.map((drive) => `The drive ${drive} has not answered.`),
    ...passed.map((drive) => `The set ${busy.get(drive) ?? ''} writes with drive ${drive}.`),
    into.length === 1
      ? `Load the tape ${tape} into drive ${into[0]}.`
      : `Load the tape ${tape} into any of ${into.join(', ')}.`,
  ].join(' ');
}
