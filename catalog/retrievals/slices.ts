import { english } from '../../messages/sentence.js';
import { formatCount } from '../../config/counts.js';
import { formatTime } from '../../config/local-time.js';
import { TapeflowFailure } from '../../config/failures.js';
import { tapeSpeeds } from '../figures/tape-speed.js';
import type { Catalog } from '../open-catalog.js';
import type { RetrievalRow } from '../rows.js';
import { type DueTape, planSlice } from './plan/plan-slice.js';
import { finalRetrievalStates, insertRetrieval, type NewRetrieval } from './retrievals.js';

/** What a `verify --each-within` is asked for. */
export interface SliceRequest {
  /** Seconds within which every copy is to be read once; and as it was given. */
  within: number;
  text: string;
  /** Seconds after which no further archive is begun. */
  seconds?: number | undefined;
  /** Bytes of archives that are read at most. */
  bytes?: number | undefined;
  /** What is damaged may be written again from another copy. */
  repair?: boolean | undefined;
}

/** A verify of a slice, with the tapes that are due and in no drive. */
export interface OpenedSlice {
  row: RetrievalRow | undefined;
  attached: boolean;
  away: DueTape[];
}

/** What a slice is a verify of, for people. */
export function sliceSubject({ text }: Pick<SliceRequest, 'text'>): string {
  return english`all tapes, each archive within ${text}`;
}

/** Creates the verify of the next slice, or finds the unfinished one; without a row nothing due is in a drive. */
export async function openSlice(
  catalog: Catalog,
  slice: SliceRequest,
  reader: Pick<NewRetrieval, 'drive' | 'any_drive' | 'identity_file'>,
  loaded: () => Promise<string[]>,
): Promise<OpenedSlice> {
  const subject = sliceSubject(slice);
  const unfinished = await catalog
    .selectFrom('retrievals')
    .selectAll()
    .where('kind', '=', 'verify')
    .where('subject', '=', subject)
    .where('state', 'not in', finalRetrievalStates)
    .executeTakeFirst();
  if (unfinished !== undefined) return { row: unfinished, attached: true, away: [] };
  const now = Date.now();
  const bytes = Math.min(slice.bytes ?? Infinity, await bytesWithin(catalog, slice.seconds));
  const wish = { within: slice.within, bytes: bytes === Infinity ? undefined : bytes };
  const { archives, away } = await planSlice(catalog, wish, await loaded(), now);
  if (archives.length === 0) return { row: undefined, attached: false, away };
  const until = slice.seconds === undefined ? null : now + slice.seconds * 1000;
  const row = await insertRetrieval(
    catalog,
    {
      ...{ kind: 'verify', subject, ...reader, target: null, overwrite: 'never' },
      selection: JSON.stringify({ slice: { until } }),
    },
    archives,
    [],
  );
  return { row, attached: false, away };
}

/** Bytes that the drives read in a time, at their speed of late. */
async function bytesWithin(db: Catalog, seconds: number | undefined): Promise<number> {
  const { read } = seconds === undefined ? { read: undefined } : await tapeSpeeds(db);
  return seconds === undefined || read === undefined ? Infinity : read * seconds;
}

/** The slice of a verify: when no further archive is begun, in milliseconds since 1970; undefined: it is none. */
export function sliceOf({
  selection,
}: Pick<RetrievalRow, 'selection'>): { until: number | null } | undefined {
  return (JSON.parse(selection) as { slice?: { until: number | null } }).slice;
}

/** Leaves out of a slice what was not read yet, on one tape or on all: a later one reads it. */
export async function dropPending(db: Catalog, id: string, tape?: string): Promise<void> {
  let rows = db
    .deleteFrom('retrieval_archives')
    .where('retrieval_id', '=', id)
    .where('state', '=', 'pending');
  if (tape !== undefined) rows = rows.where('tape_uuid', '=', tape);
  await rows.execute();
}

/** A sentence on the tapes that are due and in no drive; undefined when there are none. */
export function awaySentence(away: readonly DueTape[]): string | undefined {
  if (away.length === 0) return undefined;
  const shown = away
    .slice(0, 5)
    .map(
      ({ name, archives, since }) => `${name} (${formatCount(archives, 'archive')}, ${formatTime(since)})`,
    );
  return away.length > shown.length
    ? english`Due, and in no drive: ${shown.join(', ')} and ${away.length - shown.length} more.`
    : english`Due, and in no drive: ${shown.join(', ')}.`;
}

/** The failure of a scheduled slice that could read nothing, though something was not read for the whole time. */
export function overdueFailure(away: readonly DueTape[], text: string): TapeflowFailure | undefined {
  const overdue = away.filter((tape) => tape.overdue > 0);
  if (overdue.length === 0) return undefined;
  const archives = overdue.reduce((sum, tape) => sum + tape.overdue, 0);
  const names = overdue.slice(0, 5).map(({ name }) => name);
  const unread = formatCount(archives, 'archive was', 'archives were');
  return new TapeflowFailure(
    'TapesWanted',
    overdue.length > 5
      ? english`${unread} not read for ${text}, and no tape with them is in a drive: ${names.join(', ')} and more.`
      : english`${unread} not read for ${text}, and no tape with them is in a drive: ${names.join(', ')}.`,
    { advice: english`Load one of them: the next run reads it.` },
  );
}
