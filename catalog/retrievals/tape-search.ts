import type { Catalog } from '../open-catalog.js';
import { recordRetrieval, retrievalNamed } from './retrievals.js';
import type { RetrievalRow } from '../rows.js';
import { finalSetStates } from '../schema.js';
import { placesOf } from '../sets/set-copies.js';

/** A search for a tape in several drives, each of which is looked at by its own worker. */
export interface TapeSearch {
  /** Which of a retrieval's searches: a later one has a larger number. */
  at: number;
  drives: readonly string[];
}

/** What a look at one drive has shown: that the tape which is wanted is not in it. */
export interface DriveLook {
  /** The kind of it, as `TapeNotReady` tells. */
  reason: string;
  /** In a sentence. */
  message: string;
  /** What helps besides the right tape; empty when nothing does. */
  first: string;
  /** The tape that is in it, where one of ours is. */
  loaded: string | null;
}

interface Looks {
  at: number;
  /** The drive in which the search has ended. */
  found: string | null;
  drives: Record<string, DriveLook>;
}

/** What all looks of a search have shown; of an earlier one nothing. */
function looksOf({ looks }: Pick<RetrievalRow, 'looks'>, { at }: TapeSearch): Looks {
  const stored = looks === null ? undefined : (JSON.parse(looks) as Looks);
  return stored !== undefined && stored.at >= at ? stored : { at, found: null, drives: {} };
}

/** True when what a drive shows counts no more: another one has ended the search, or a later one was begun. */
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
 * Notes that a drive has not the tape that a retrieval wants. As soon as all drives have said so, or when `patient` is
 * false, the retrieval waits, and its reason says what is in each and where the tape is to be put. Nothing is noted
 * once another drive has the tape, or a later search was begun.
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
  // A look each second must not be a commit each second.
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
 * Ends a search: the drive has the tape, or nothing is to be searched for any more. What is noted with it is in the
 * same transaction. False, and nothing is noted, when another drive has ended it, or a later one was begun.
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

/** Drives that a set writes with that has not ended, with one of those sets. */
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
 * What is in the drives, and into which of them the tape is to be put: one that no set writes with, if there is one,
 * and none that somebody else has, or that has not answered.
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
