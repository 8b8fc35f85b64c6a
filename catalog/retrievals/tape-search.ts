import { english } from '../../messages/sentence.js';
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
  /** Of a copy: the search of the half that writes, beside which the one that reads may have another. */
  half?: 'writing';
  /** Of a copy: the drive that writes now. Nobody is asked to change its tape where there is another drive. */
  writes?: string;
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

/** What a retrieval has stored of its searches. */
type StoredLooks = Looks & { writing?: Looks };

function storedLooks({ looks }: Pick<RetrievalRow, 'looks'>): StoredLooks | undefined {
  return looks === null ? undefined : (JSON.parse(looks) as StoredLooks);
}

/** What all looks of a search have shown; of an earlier one nothing. */
function looksOf(row: Pick<RetrievalRow, 'looks'>, { at, half }: TapeSearch): Looks {
  const all = storedLooks(row);
  const stored = half === 'writing' ? all?.writing : all;
  if (stored === undefined || stored.at < at) return { at, found: null, drives: {} };
  return { at: stored.at, found: stored.found, drives: stored.drives };
}

/** What is stored then, with those of the other half as they are. */
function textOf(row: Pick<RetrievalRow, 'looks'>, { half }: TapeSearch, looks: Looks): string {
  const { writing, ...reading } = storedLooks(row) ?? { at: 0, found: null, drives: {} };
  if (half === 'writing') return JSON.stringify({ ...reading, writing: looks });
  return JSON.stringify(writing === undefined ? looks : { ...looks, writing });
}

/** True when a drive's result no longer counts: another drive has ended the search, or a later search has begun. */
function isOver(looks: Looks, { at }: TapeSearch, drive: string): boolean {
  return looks.at !== at || (looks.found !== null && looks.found !== drive);
}

async function writeLooks(tx: Catalog, row: RetrievalRow, search: TapeSearch, looks: Looks): Promise<void> {
  await tx
    .updateTable('retrievals')
    .set({ looks: textOf(row, search, looks) })
    .where('id', '=', row.id)
    .execute();
}

/** What is wanted: a tape by its name, or any that a copy may be written to. */
export type WantedTape = string | { any: string };

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
  { look, tape, patient }: { look: DriveLook; tape: WantedTape; patient: boolean },
): Promise<boolean> {
  const noted = (row: RetrievalRow) => {
    const looks = looksOf(row, search);
    const after = { ...looks, found: null, drives: { ...looks.drives, [drive]: look } };
    return { looks: after, over: isOver(looks, search, drive) };
  };
  const busy = await drivesInUse(catalog, id, search);
  const before = await retrievalNamed(catalog, id);
  const reasonFor = ({ drives }: Looks) =>
    patient && search.drives.some((one) => drives[one] === undefined)
      ? undefined
      : wantedIn(tape, drives, search.drives, busy);
  const now = noted(before);
  if (now.over) return false;
  // A check every second must not cause a commit every second.
  if (textOf(before, search, now.looks) === before.looks && before.reason === (reasonFor(now.looks) ?? null))
    return before.state === 'waiting_for_tape';
  return catalog.transaction().execute(async (tx) => {
    const row = await retrievalNamed(tx, id);
    const { looks, over } = noted(row);
    if (over) return false;
    await writeLooks(tx, row, search, looks);
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
    await writeLooks(tx, row, search, { ...looks, found: drive });
    await note(tx);
    if (row.state === 'waiting_for_tape') await recordRetrieval(tx, id, 'running', null);
    return true;
  });
}

/** Drives whose tapes others need, with who: unfinished sets, and a copy's other half. */
async function drivesInUse(db: Catalog, id: string, { writes }: TapeSearch): Promise<Map<string, string>> {
  const sets = await db
    .selectFrom('sets')
    .select(['id', 'pool', 'drive', 'places'])
    .where('state', 'not in', finalSetStates)
    .orderBy('id')
    .execute();
  const busy = new Map<string, string>(
    sets.flatMap((set) =>
      placesOf(set).map(({ drive }) => [drive, english`The set ${set.id} writes`] as const),
    ),
  );
  return writes === undefined ? busy : busy.set(writes, english`The ${id} itself writes`);
}

function loadAdvice(tape: WantedTape, into: readonly string[]): string {
  const [first = ''] = into;
  if (typeof tape === 'string')
    return into.length === 1
      ? english`Load the tape ${tape} into drive ${first}.`
      : english`Load the tape ${tape} into any of ${into.join(', ')}.`;
  return into.length === 1
    ? english`Load ${tape.any} into drive ${first}.`
    : english`Load ${tape.any} into any of ${into.join(', ')}.`;
}

/**
 * What is in the drives, and which of them should get the tape: preferably one that nobody else needs, and never one
 * that somebody else holds or that has not answered.
 *
 * @param busy drives that others need, with the beginning of a sentence that says who.
 */
export function wantedIn(
  tape: WantedTape,
  looks: Readonly<Record<string, DriveLook>>,
  drives: readonly string[],
  busy: ReadonlyMap<string, string>,
): string {
  const seen = drives.flatMap((drive) => {
    const look = looks[drive];
    return look === undefined ? [] : [{ drive, ...look }];
  });
  const holding = seen.flatMap(({ drive, loaded }) =>
    loaded === null ? [] : [english`${loaded} is in drive ${drive}`],
  );
  const wanted =
    typeof tape === 'string'
      ? english`The tape ${tape} is wanted.`
      : english`${`${tape.any.slice(0, 1).toUpperCase()}${tape.any.slice(1)}`} is wanted.`;
  const others = seen.filter(({ loaded }) => loaded === null);
  const usable = seen.filter(({ reason }) => reason !== 'drive_held').map(({ drive }) => drive);
  const free = usable.filter((drive) => !busy.has(drive));
  const into = free.length > 0 ? free : usable.length > 0 ? usable : drives;
  const passed = free.length > 0 ? usable.filter((drive) => busy.has(drive)) : [];
  const silent = drives.filter((drive) => looks[drive] === undefined);
  return [
    holding.length > 0 && typeof tape === 'string'
      ? english`${holding.join(', ')}, but ${tape} is wanted.`
      : wanted,
    ...others.map(({ message, first }) => `${message}${first === '' ? '' : ` ${first.trim()}`}`),
    ...silent.map((drive) => english`The drive ${drive} has not answered.`),
    ...passed.map((drive) => english`${busy.get(drive) ?? ''} with drive ${drive}.`),
    loadAdvice(tape, into),
  ].join(' ');
}
