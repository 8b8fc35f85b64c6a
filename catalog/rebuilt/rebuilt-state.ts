import { clauses } from '../../messages/joined.js';
import { english } from '../../messages/sentence.js';
import { toRanges, rangeTexts, type NumberRange } from '../../config/number-ranges.js';
import { layerOf } from '../files/entry-rows.js';
import type { Catalog } from '../open-catalog.js';
import { baseOf, layRebuilt, type MissingBase } from './rebuilt-layers.js';
import { isRebuilt, isUnknownSet, modeUnknown } from './rebuilt-sets.js';
import { markedEnd } from '../sets/set-end.js';
import { findSet } from '../sets/sets.js';
import type { SetRow } from '../rows.js';

/** Maximum number of group ranges in a message. */
const rangesShown = 20;

/** What is known about a set's groups after reading tapes. */
export interface RebuiltSet {
  setId: string;
  state: SetRow['state'];
  groups: number;
  /**
   * Group numbers missing on all tapes read so far, as ranges: up to the last one if `ended`, or else up to the highest
   * read.
   */
  missing: string[];
  /** Whether an end mark was read; null for a set of a version that wrote none. */
  ended: boolean | null;
  /** Numbers of groups without an intact copy. */
  damaged: number[];
  /** Groups of an incremental or differential set whose unchanged files are not known, as ranges. */
  partial: string[];
  /** The set that its unchanged files follow from, if that one was not wholly read; null: nothing is missing. */
  base: MissingBase | null;
}

function shownRanges(ranges: readonly string[]): string {
  return ranges.slice(0, rangesShown).join(', ') + (ranges.length > rangesShown ? ', …' : '');
}

/**
 * Derives the state of a rebuilt set from what was found: complete when no number is missing, each group has an intact
 * copy, and its unchanged files are known, which only manifests say. Only an end mark shows that no later group exists;
 * for versions that wrote none this is unknown, and the reason says so. Leaves other sets alone.
 */
export async function deriveRebuiltState(catalog: Catalog, setId: string): Promise<RebuiltSet | undefined> {
  return catalog.transaction().execute(async (tx) => {
    const set = await findSet(tx, setId);
    if (set === undefined || !isRebuilt(set)) return undefined;
    const { groups, missing, partial, ended, end, ...facts } = await readGroups(tx, set);
    const base = (await layRebuilt(tx, set)) ?? (await partlyReadBase(tx, set));
    const faults = [
      ...(missing.length > 0
        ? [
            end === undefined
              ? english`${shownRanges(missing)} on none that was read, or with nothing but skipped entries`
              : english`${shownRanges(missing)} on none that was read`,
          ]
        : []),
      ...(facts.damaged.length > 0 ? [english`${shownRanges(facts.damaged.map(String))} damaged`] : []),
      ...(partial.length > 0
        ? [
            english`${shownRanges(partial)} without a manifest, which alone tells what of it earlier sets hold`,
          ]
        : []),
    ];
    const whole = facts.isSkipping || (end?.without.length ?? 0) > 0 ? 'completed_with_skips' : 'completed';
    const isLacking = faults.length > 0 || ended === false || base !== undefined;
    const state = isLacking ? 'failed' : whole;
    const all = facts.last === 1 ? english`group 1` : english`groups 1 to ${facts.last}`;
    const which = faults.length === 0 ? all : english`${all}, of which ${clauses(faults)}`;
    const later = faults.length === 0 || ended === false ? laterText(which, ended) : which;
    const unknown = isUnknownSet(set) && faults.length === 0 ? english`${later}; ${modeUnknown}` : later;
    const reason = english`read from tapes: ${base === undefined ? unknown : belowText(unknown, base)}`;
    const erasedAt = missing.length === 0 ? null : set.erased_at;
    await tx
      .updateTable('sets')
      .set({ state, reason, finished_at: facts.finishedAt, erased_at: erasedAt })
      .where('id', '=', setId)
      .execute();
    return { setId, state, groups, missing, ended, damaged: facts.damaged, partial, base: base ?? null };
  });
}

/** What is known of the groups of a set, and what is not; `untold`: of how many ranges nothing is, erased or not. */
async function readGroups(tx: Catalog, set: SetRow) {
  const setId = set.id;
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
  const { last: finishedAt, skipped: isSkipping, damaged, alone } = await factsOf(tx, setId);
  const highest = groups.at(-1)?.no ?? 0;
  // Groups without a copy were erased.
  const present = groups.filter((group) => Number(group.copies) > 0).map((group) => group.no);
  const told = markedEnd(set);
  // An end mark with fewer groups than were found is outdated.
  const end = told !== undefined && told.groups >= highest ? told : undefined;
  const ended = end !== undefined ? true : set.end_marked === 1 ? false : null;
  const without = end?.without ?? [];
  const last = end?.groups ?? highest;
  const missing = gapsOf([...toRanges(present), ...without], last);
  const untold = gapsOf([...toRanges(groups.map(({ no }) => no)), ...without], last).length;
  const partial = set.mode === 'full' ? [] : rangeTexts(alone);
  const found = { groups: groups.length, last, missing, untold, partial, ended, end };
  return { ...found, damaged, isSkipping, finishedAt };
}

/** The first set below one whose tree is not wholly known, although something of it is. */
async function partlyReadBase(tx: Catalog, set: SetRow): Promise<MissingBase | undefined> {
  const seen = new Set([set.id]);
  for (let wanted = baseOf(set); wanted !== undefined && !seen.has(wanted.setId);) {
    seen.add(wanted.setId);
    const base = await findSet(tx, wanted.setId);
    if (base === undefined || !isRebuilt(base)) return undefined;
    const { untold, partial, ended } = await readGroups(tx, base);
    if (untold > 0 || partial.length > 0 || ended === false) return wanted;
    const next = baseOf(base);
    if (next !== undefined && (await layRebuilt(tx, base)) !== undefined) return next;
    wanted = next;
  }
  return undefined;
}

/** A text, and then what is not known of a set because another was not read. */
function belowText(text: string, { setId, uuid, tapes }: MissingBase): string {
  const id = uuid.slice(0, 64);
  return tapes.length === 0
    ? english`${text}; what it has unchanged from the set ${setId} (${id}) is not all known, as that set was not
        wholly read`
    : english`${text}; what it has unchanged from the set ${setId} (${id}; it was on ${tapes.join(', ')}) is not all
        known, as that set was not wholly read`;
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
    .selectFrom('layer_files')
    .select('path')
    .where('layer', '=', layerOf(setId))
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
  // Archives that were read themselves because they lack a good manifest.
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

/** A text, and then what is known about groups after those that were read. */
function laterText(text: string, ended: boolean | null): string {
  if (ended === true) return english`${text}, which is all of them`;
  if (ended === null) return english`${text}; whether there are more, only a tape that holds them can tell`;
  return english`${text}; no tape that was read tells that the set had ended: it was cancelled or had failed, or a
    tape of it is still to be read`;
}

/** The numbers from 1 to `last` that are in none of the ranges, as ranges. */
function gapsOf(ranges: readonly NumberRange[], last: number): string[] {
  const gaps: string[] = [];
  let next = 1;
  for (const [from, to] of [...ranges, [last + 1, last + 1] as const].sort((a, b) => a[0] - b[0])) {
    if (from > next) gaps.push(from - 1 === next ? String(next) : `${next}–${from - 1}`);
    next = Math.max(next, to + 1);
  }
  return gaps;
}
