import { boundedSeconds } from '../archive/file-time.js';
import type { ManifestHeader } from '../archive/manifest.js';
import { TapeflowFailure } from '../config/failures.js';
import { rangesOf } from '../config/number-ranges.js';
import type { Catalog } from './open-catalog.js';
import { findSet, type SetRow } from './sets.js';

/** `options` of a set that was read from tapes: it has no settings, since it never runs. */
export const rebuiltOptions = JSON.stringify({ rebuilt: true });

/** True for a set that the catalog knows from tapes only. */
export function isRebuilt(set: Pick<SetRow, 'options'>): boolean {
  return set.options === rebuiltOptions;
}

/** Stands for the UUID of a set of which no manifest was read yet. */
const unknownUuid = (setId: string) => `unknown ${setId}`;

/** What a tape tells of the set that an archive belongs to; without a header, that of no manifest could be read. */
export interface SetOnTape {
  id: string;
  header: ManifestHeader | undefined;
  pool: string;
  drive: string;
  /** When the archive was made, as far as that is known; milliseconds since 1970. */
  at: number;
}

/** A set or archive on a tape that contradicts what the catalog knows; the message is a whole sentence. */
export class CatalogConflict extends Error {}

/**
 * The set of an archive on a tape, in the caller's transaction: made when the catalog does not know it, and made more
 * exact when it knew it without a manifest. Throws `CatalogConflict` when the catalog has another set of that id.
 */
export async function enterSet(tx: Catalog, found: SetOnTape): Promise<SetRow> {
  const { id, header, at } = found;
  const uuid = header?.setUuid ?? unknownUuid(id);
  const known = await findSet(tx, id);
  await requireSameSet(tx, id, uuid, known);
  if (known?.state === 'expired' && (await hasGroups(tx, id)))
    throw new CatalogConflict(`The set ${id} has expired, and the catalog is still forgetting it.`);
  const told =
    header === undefined
      ? {}
      : { uuid, sources: sourcesOf(header), mode: header.mode, base_id: header.base ?? null };
  if (known === undefined) {
    await tx
      .insertInto('sets')
      .values({
        ...{ id, uuid, sources: '[]', excludes: '[]', pool: found.pool, drive: found.drive, mode: 'full' },
        ...{ direct: 0, options: rebuiltOptions, scanned: 1, left_out: '[]', state: 'failed' },
        reason: 'it is read from tapes; the reading has not ended',
        created_at: at,
        ...told,
      })
      .execute();
  } else if (isRebuilt(known)) {
    await tx
      .updateTable('sets')
      .set({ ...told, created_at: Math.min(known.created_at, at) })
      // Nothing was left of it: what another copy tells is all that is known, and is not to be forgotten.
      .$if(known.state === 'expired', (query) => query.set({ state: 'failed' }))
      .where('id', '=', id)
      .execute();
  }
  return tx.selectFrom('sets').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
}

async function hasGroups(db: Catalog, setId: string): Promise<boolean> {
  const row = await db
    .selectFrom('groups')
    .select('no')
    .where('set_id', '=', setId)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

async function requireSameSet(
  db: Catalog,
  id: string,
  uuid: string,
  known: SetRow | undefined,
): Promise<void> {
  const unknown = unknownUuid(id);
  if (known !== undefined && known.uuid !== uuid && known.uuid !== unknown && uuid !== unknown) {
    throw new CatalogConflict(
      `The set ${id} on the tape is another than the one that the catalog knows (${uuid.slice(0, 64)} and ${known.uuid}).`,
    );
  }
  const other = await db
    .selectFrom('sets')
    .select('id')
    .where('uuid', '=', uuid)
    .where('id', '!=', id)
    .executeTakeFirst();
  if (other !== undefined)
    throw new CatalogConflict(`The set ${id} on the tape says that it is the set ${other.id}.`);
}

function sourcesOf(header: ManifestHeader): string {
  return JSON.stringify(header.sources);
}

/** Milliseconds since 1970 of a time that was read from a tape; `otherwise` when it is none. */
export function timeOf(iso: string, otherwise: number): number {
  const ms = Date.parse(iso);
  return Number.isFinite(ms) ? ms : Math.floor(boundedSeconds(otherwise / 1000) * 1000);
}

/** Numbers of groups that a message names. */
const rangesShown = 20;

/** What is known of a set's groups after tapes were read. */
export interface RebuiltSet {
  setId: string;
  state: SetRow['state'];
  groups: number;
  /** Numbers below the highest that are on none of the tapes read so far, as ranges. */
  missing: string[];
  /** Numbers of groups without a copy that is whole. */
  damaged: number[];
  /** Groups of an incremental or differential set of which what is unchanged is not known, as ranges. */
  partial: string[];
}

function shownRanges(ranges: readonly string[]): string {
  return ranges.slice(0, rangesShown).join(', ') + (ranges.length > rangesShown ? ', …' : '');
}

/**
 * Gives a rebuilt set its state by what of it was found: complete when no number is missing below the highest, each is
 * whole somewhere, and what the set leaves to earlier ones is known, which only manifests tell. That no later group exists
 * cannot be known from the groups that do, and the set's reason says so. Leaves other sets alone.
 */
export async function settleRebuiltSet(catalog: Catalog, setId: string): Promise<RebuiltSet | undefined> {
  return catalog.transaction().execute(async (tx) => {
    const set = await findSet(tx, setId);
    if (set === undefined || !isRebuilt(set)) return undefined;
    const groups = await tx
      .selectFrom('groups')
      .leftJoin('copies', (join) =>
        join
          .onRef('copies.set_id', '=', 'groups.set_id')
          .onRef('copies.group_no', '=', 'groups.no')
          .on('copies.state', '=', 'committed'),
      )
      .select((eb) => ['groups.no', eb.fn.count('copies.copy_no').as('copies')])
      .where('groups.set_id', '=', setId)
      .groupBy('groups.no')
      .orderBy('groups.no')
      .execute();
    const { last, skipped, damaged, alone } = await factsOf(tx, setId);
    const highest = groups.at(-1)?.no ?? 0;
    // Those without a copy were erased.
    const present = groups.filter((group) => Number(group.copies) > 0).map((group) => group.no);
    const missing = gapsOf([...present, highest + 1]);
    const partial = set.mode === 'full' ? [] : rangesOf(alone);
    const faults = [
      ...(missing.length > 0
        ? [`${shownRanges(missing)} on none that was read, or with nothing but skipped entries`]
        : []),
      ...(damaged.length > 0 ? [`${shownRanges(damaged.map(String))} damaged`] : []),
      ...(partial.length > 0
        ? [`${shownRanges(partial)} without a manifest, which alone tells what of it earlier sets hold`]
        : []),
    ];
    const state = faults.length > 0 ? 'failed' : skipped ? 'completed_with_skips' : 'completed';
    const all = highest === 1 ? 'group 1' : `groups 1 to ${highest}`;
    const reason =
      faults.length > 0
        ? `read from tapes: ${all}, of which ${faults.join(', and ')}`
        : `read from tapes: ${all}; whether there are more, only a tape that holds them can tell${
            set.uuid === unknownUuid(setId) ? `; ${modeUnknown}` : ''
          }`;
    const erasedAt = missing.length === 0 ? null : set.erased_at;
    await tx
      .updateTable('sets')
      .set({ state, reason, finished_at: last, erased_at: erasedAt })
      .where('id', '=', setId)
      .execute();
    return { setId, state, groups: groups.length, missing, damaged, partial };
  });
}

async function factsOf(
  tx: Catalog,
  setId: string,
): Promise<{ last: number | null; skipped: boolean; damaged: number[]; alone: number[] }> {
  const copies = await tx
    .selectFrom('copies')
    .select((eb) => eb.fn.max<number | null>('committed_at').as('last'))
    .where('set_id', '=', setId)
    .where('state', '=', 'committed')
    .executeTakeFirst();
  const skipped = await tx
    .selectFrom('files')
    .select('path')
    .where('set_id', '=', setId)
    .where('reason', 'is not', null)
    .where('state', '=', 'skipped')
    .limit(1)
    .executeTakeFirst();
  // `count` of a column counts what is not null.
  const damaged = await tx
    .selectFrom('copies')
    .select('group_no')
    .where('set_id', '=', setId)
    .where('state', '=', 'committed')
    .groupBy('group_no')
    .having((eb) => eb(eb.fn.count('damage'), '=', eb.fn.countAll()))
    .orderBy('group_no')
    .execute();
  // Those that were read themselves, for want of a good manifest.
  const alone = await tx
    .selectFrom('archives')
    .select('group_no')
    .where('set_id', '=', setId)
    .where('manifest_sha256', '=', '')
    .orderBy('group_no')
    .execute();
  return {
    last: copies?.last ?? null,
    skipped: skipped !== undefined,
    damaged: damaged.map((row) => row.group_no),
    alone: alone.map((row) => row.group_no),
  };
}

/** The numbers from 1 that are missing among ascending ones, as ranges. */
function gapsOf(numbers: readonly number[]): string[] {
  const gaps: string[] = [];
  let next = 1;
  for (const no of numbers) {
    if (no > next) gaps.push(no - 1 === next ? String(next) : `${next}–${no - 1}`);
    next = no + 1;
  }
  return gaps;
}

/** Said of a set of which every manifest was lost. */
const modeUnknown =
  'no manifest of it was read, so that if it builds on an earlier set, only what had changed is known';

/** What may be missing in a set without anybody's knowing, as a sentence; undefined when nothing may. */
export function doubtOf(set: SetRow): string | undefined {
  return isRebuilt(set) && set.uuid === unknownUuid(set.id)
    ? `Of the set ${set.id}, ${modeUnknown}.`
    : undefined;
}

/** What a restore of the set has to say beforehand; undefined when nothing is missing. */
export function missingOf(set: SetRow): string | undefined {
  return isRebuilt(set) && set.state === 'failed'
    ? `The set ${set.id} was ${set.reason ?? 'not read whole'}.`
    : undefined;
}

/** A rebuilt set has no settings to run with, and its sources may have changed since. */
export function requireOwnSet(set: SetRow): void {
  if (!isRebuilt(set)) return;
  throw new TapeflowFailure('RebuiltSet', `The set ${set.id} was read from tapes and cannot run.`, {
    kind: 'usage',
    advice: 'Begin a new one with `tapeflow backup`.',
  });
}
