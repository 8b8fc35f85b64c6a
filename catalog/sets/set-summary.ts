import { english } from '../../messages/sentence.js';
import { givenText, type ExcludeRule } from '../../entry/excludes.js';
import type { Tally, TakenOptions } from '../../entry/tally.js';
import { listedCounts } from '../files/listed-files.js';
import { storedBySet } from '../figures/stored-figures.js';
import type { Catalog } from '../open-catalog.js';
import type { GroupState } from '../schema/group-tables.js';
import type { SetState } from '../schema/set-tables.js';
import { lostGroupsOf } from '../tapes/lost-tapes.js';
import { type CopyPlace, placesOf } from './copy-places.js';
import { tallyOf } from './scan-state.js';
import { recipientsOf } from './recipients.js';
import { takenOf } from './taken-options.js';
import { shownHost } from './set-host.js';
import { setNamed } from './sets.js';

/** What a set has done so far; sizes in bytes, times in milliseconds since 1970. */
export interface SetSummary {
  setId: string;
  status: SetState;
  reason: string | null;
  /** The host that has the sources; null where the installation has one alone. */
  host: string | null;
  sources: string[];
  pool: string;
  drive: string;
  /** For each copy: where it goes, and how many of its archives are committed. */
  copies: (CopyPlace & { archives: number })[];
  mode: string;
  /** Whom it is encrypted to; undefined: it is not. */
  recipients: string[] | undefined;
  /** The set that it builds on. */
  base: string | null;
  groups: number;
  archives: number;
  files: number;
  /** Entries held by earlier sets. */
  unchanged: number;
  skipped: number;
  /** Stored entries that differ from what the scan saw. */
  flagged: number;
  bytesIn: number;
  bytesOut: number;
  seconds: number;
  tapes: string[];
  /** Committed copies of its archives, and how many of them were read back since they were written, and are damaged. */
  readBack: { copies: number; verified: number; damaged: number };
  scanned: boolean;
  plannedBytes: number;
  stagedBytes: number;
  stages: Partial<Record<GroupState, number>>;
  failedGroups: { group: number; reason: string }[];
  /** Groups that are no longer on any tape. */
  lostGroups: number[];
  leftOut: string[];
  /** What each option that leaves something out has left out so far. */
  excludes: ExcludedCount[];
}

/** What one option has left out. */
export interface ExcludedCount {
  option: '--exclude' | '--exclude-caches' | '--exclude-if-present';
  /** The pattern, or the name; empty where the option has none. */
  value: string;
  /** What a pattern that is a path stands for. */
  means?: string[];
  /** Entries that it took, or with a `!` kept; of the other options, the folders whose contents they left out. */
  entries: number;
}

/**
 * Sums up a set from the catalog alone. `files` counts members of committed archives; `skipped` and `flagged` count the
 * entries of those lists.
 */
export async function summarizeSet(db: Catalog, setId: string): Promise<SetSummary> {
  const set = await setNamed(db, setId);
  const archives = await archivesByPool(db, setId);
  return {
    setId,
    status: set.state,
    reason: set.reason,
    host: await shownHost(db, set),
    sources: JSON.parse(set.sources) as string[],
    pool: set.pool,
    drive: set.drive,
    copies: placesOf(set).map((place) => ({ ...place, archives: archives.get(place.pool) ?? 0 })),
    mode: set.mode,
    recipients: recipientsOf(set),
    base: set.base_id,
    ...(await groupTotals(db, setId)),
    ...(await committedTotals(db, setId)),
    ...(await listedCounts(db, setId)),
    // A wall clock that was set back in between must not make it negative.
    seconds: Math.max(0, Math.round(((set.finished_at ?? Date.now()) - set.created_at) / 10) / 100),
    tapes: await tapesOf(db, setId),
    readBack: await readBackOf(db, setId),
    scanned: set.scanned === 1,
    failedGroups: await failedGroupsOf(db, setId),
    lostGroups: await lostGroupsOf(db, setId),
    leftOut: JSON.parse(set.left_out) as string[],
    excludes: excludedCounts(JSON.parse(set.excludes) as ExcludeRule[], takenOf(set), tallyOf(set)),
  };
}

/** What has left out how much: the excludes in their order, then the other options. */
export function excludedCounts(
  given: readonly ExcludeRule[],
  { excludeCaches, excludeIfPresent = [] }: TakenOptions,
  { excludes, caches, present }: Tally,
): ExcludedCount[] {
  const rules = given.map((rule, at): ExcludedCount => ({
    option: '--exclude',
    value: givenText(rule),
    ...(typeof rule === 'string' ? {} : { means: rule.means }),
    entries: excludes[at] ?? 0,
  }));
  const names = excludeIfPresent.map((value, at): ExcludedCount => {
    return { option: '--exclude-if-present', value, entries: present[at] ?? 0 };
  });
  if (excludeCaches !== true) return [...rules, ...names];
  return [...rules, { option: '--exclude-caches', value: '', entries: caches }, ...names];
}

/** How many groups are in which state, and what they hold; those that the scan still adds to are not counted. */
async function groupTotals(
  db: Catalog,
  setId: string,
): Promise<Pick<SetSummary, 'stages' | 'groups' | 'plannedBytes' | 'stagedBytes' | 'unchanged'>> {
  const byState = await db
    .selectFrom('groups')
    .select((eb) => [
      'state',
      eb.fn.countAll<number>().as('count'),
      eb.fn.sum<number>('bytes').as('bytes'),
      eb.fn.sum<number>('reserved').as('reserved'),
      eb.fn.sum<number>('unchanged').as('unchanged'),
    ])
    .where('set_id', '=', setId)
    .groupBy('state')
    .execute();
  const totals = {
    stages: {} as SetSummary['stages'],
    groups: 0,
    plannedBytes: 0,
    stagedBytes: 0,
    unchanged: 0,
  };
  for (const row of byState) {
    totals.stages[row.state] = row.count;
    if (row.state !== 'open') totals.groups += row.count;
    totals.plannedBytes += Number(row.bytes);
    totals.stagedBytes += Number(row.reserved);
    totals.unchanged += Number(row.unchanged);
  }
  return totals;
}

/** Archives of which some copy is committed, with what is in them. */
async function committedTotals(
  db: Catalog,
  setId: string,
): Promise<Pick<SetSummary, 'archives' | 'files' | 'bytesIn' | 'bytesOut'>> {
  const [stored] = await storedBySet(db, setId);
  if (stored === undefined) return { archives: 0, files: 0, bytesIn: 0, bytesOut: 0 };
  const { archives, files, bytesIn, bytesOut } = stored;
  return { archives, files, bytesIn, bytesOut };
}

/** Committed archives in each pool: a copy that took the place of another has another number than that. */
async function archivesByPool(db: Catalog, setId: string): Promise<Map<string, number>> {
  const rows = await db
    .selectFrom('copies')
    .innerJoin('tapes', 'tapes.uuid', 'copies.tape_uuid')
    .select((eb) => ['tapes.pool', eb.fn.count<number>('copies.group_no').distinct().as('archives')])
    .where('copies.set_id', '=', setId)
    .where('copies.state', '=', 'committed')
    .groupBy('tapes.pool')
    .execute();
  return new Map(rows.map((row) => [row.pool, row.archives]));
}

/** What is known of the set's copies since they were written. */
async function readBackOf(db: Catalog, setId: string): Promise<SetSummary['readBack']> {
  return db
    .selectFrom('copies')
    .select((eb) => [
      eb.fn.countAll<number>().as('copies'),
      eb.fn.count<number>('verified_at').as('verified'),
      eb.fn.count<number>('damage').as('damaged'),
    ])
    .where('set_id', '=', setId)
    .where('state', '=', 'committed')
    .executeTakeFirstOrThrow();
}

/** Names of the tapes that the set is written to. */
export async function tapesOf(db: Catalog, setId: string): Promise<string[]> {
  const rows = await db
    .selectFrom('copies')
    .innerJoin('tapes', 'tapes.uuid', 'copies.tape_uuid')
    .select('tapes.name')
    .distinct()
    .where('copies.set_id', '=', setId)
    .where('copies.state', 'in', ['writing', 'written', 'committed'])
    .orderBy('tapes.name')
    .execute();
  return rows.map((row) => row.name);
}

/** The parked groups with their reasons: the first thousand of them. */
async function failedGroupsOf(db: Catalog, setId: string): Promise<SetSummary['failedGroups']> {
  const rows = await db
    .selectFrom('groups')
    .select(['no', 'reason'])
    .where('set_id', '=', setId)
    .where('state', '=', 'failed')
    .orderBy('no')
    .limit(1000)
    .execute();
  return rows.map((row) => ({ group: row.no, reason: row.reason ?? english`unknown` }));
}
