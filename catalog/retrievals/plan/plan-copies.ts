import { english } from '../../../messages/sentence.js';
import type { Catalog } from '../../open-catalog.js';
import { finalSetStates } from '../../schema/set-tables.js';
import type { RetrievalProblem } from '../retrieval-problems.js';
import { committedCopies, type CopyOnTape, inTapeOrder } from './copies-on-tape.js';
import { archivesOf } from './wanted-archives.js';
import type { PlannedArchive } from '../retrievals.js';
import { placesOf } from '../../sets/copy-places.js';
import { setNamed } from '../../sets/sets.js';

/** What a copy from tape to tape will read and write, and what it cannot copy. */
export interface CopyPlan {
  archives: PlannedArchive[];
  problems: RetrievalProblem[];
  /** Archives already on a tape of the pool. */
  there: number;
}

/** A copy as the catalog has it, whatever its state. */
interface AnyCopy extends CopyOnTape {
  state: string;
  damage: string | null;
  pool: string;
}

/** A copy to read, and the one to make from it. */
interface Chosen {
  copy: CopyOnTape;
  to: { copyNo: number; pool: string };
}

/** What of the subject is copied. */
interface CopyWish {
  /** Only what these sets have. Default: all. */
  isWanted?: (setId: string) => boolean;
  /** Whether a copy in the pool makes another one needless. Default: it is not damaged. */
  counts?: (copy: AnyCopy) => boolean;
}

/**
 * Plans to copy every archive of a set (and of the earlier sets that hold unchanged files), or of a tape, to tapes of a
 * pool. A tape is copied to other tapes, even of its own pool, so that it can be retired.
 */
export async function planCopies(
  db: Catalog,
  what: { setId: string } | { tape: string },
  pool: string,
  loaded: readonly string[] = [],
  { isWanted = () => true, counts = isGood }: CopyWish = {},
): Promise<CopyPlan> {
  const plan: CopyPlan = { archives: [], problems: [], there: 0 };
  const chosen: Chosen[] = [];
  for (const { setId, group } of await groupsOf(db, what)) {
    if (!isWanted(setId)) continue;
    const copies = await copiesOf(db, setId, group);
    const there = copies.filter(
      (copy) => counts(copy) && copy.pool === pool && !('tape' in what && copy.tape_uuid === what.tape),
    );
    if (there.length > 0) {
      plan.there += 1;
      continue;
    }
    const source = sourceOf(copies, loaded);
    if (source === undefined) plan.problems.push(noSource(setId, group));
    else if (!(await isFinal(db, setId))) plan.problems.push(unfinished(setId, group));
    else chosen.push({ copy: source, to: { copyNo: await numberFor(db, setId, pool, copies), pool } });
  }
  plan.archives = inOrder(chosen, loaded);
  return plan;
}

/**
 * Plans to write again what has a damaged copy, a copy without a manifest, or a copy on a lost tape: to the pool of
 * that copy, unless that pool has an intact copy by now.
 */
export async function planRepair(
  db: Catalog,
  what: { setId: string } | { tape: string } | { verify: string },
  loaded: readonly string[] = [],
): Promise<CopyPlan> {
  const plan: CopyPlan = { archives: [], problems: [], there: 0 };
  const chosen: Chosen[] = [];
  for (const { setId, group } of await groupsOf(db, what)) {
    const copies = await copiesOf(db, setId, group);
    const good = copies.filter(isWhole);
    const bad = copies.filter(
      (copy) =>
        !isWhole(copy) &&
        copy.committed_at !== null &&
        (!('tape' in what) || copy.tape_uuid === what.tape) &&
        !good.some(({ pool }) => pool === copy.pool),
    );
    const source = sourceOf(copies, loaded);
    let next = Math.max(0, ...copies.map((copy) => copy.copy_no));
    for (const pool of new Set(bad.map((copy) => copy.pool))) {
      next += 1;
      if (source === undefined) plan.problems.push(noSource(setId, group));
      else chosen.push({ copy: source, to: { copyNo: next, pool } });
    }
  }
  plan.archives = inOrder(chosen, loaded);
  return plan;
}

const isGood = (copy: AnyCopy) => copy.state === 'committed' && copy.damage === null;

/** With its manifest beside it. */
export const isWhole = (copy: AnyCopy) => isGood(copy) && copy.manifest !== '';

/**
 * The copy to read: a good one if there is one, preferably on the tape in the drive. Otherwise a damaged one: what
 * could not be read once may be readable now, and everything is compared.
 */
function sourceOf(copies: readonly AnyCopy[], loaded: readonly string[]): AnyCopy | undefined {
  const held = copies.filter((copy) => copy.state === 'committed');
  const good = held.filter(isGood);
  const from = good.length > 0 ? good : held;
  return from.find((copy) => loaded.includes(copy.tape_uuid)) ?? from[0];
}

function inOrder(chosen: readonly Chosen[], loaded: readonly string[]): PlannedArchive[] {
  const targets = new Map(chosen.map(({ copy, to }) => [copy, to]));
  return inTapeOrder([...targets.keys()], loaded).map((copy) => ({
    ...{ setId: copy.set_id, group: copy.group_no, copyNo: copy.copy_no, tape: copy.tape_uuid },
    ...{ members: copy.members, bytes: copy.bytes_in, to: targets.get(copy) },
  }));
}

async function groupsOf(
  db: Catalog,
  what: { setId: string } | { tape: string } | { verify: string },
): Promise<{ setId: string; group: number }[]> {
  if ('setId' in what) return archivesOf(db, what.setId);
  if ('verify' in what) return damagedIn(db, what.verify);
  const rows = await db
    .selectFrom('copies')
    .select(['set_id as setId', 'group_no as group'])
    .distinct()
    .where('tape_uuid', '=', what.tape)
    .where('committed_at', 'is not', null)
    .orderBy('set_id')
    .orderBy('group_no')
    .execute();
  return rows;
}

/** The groups of which a verify has found a copy damaged. */
async function damagedIn(db: Catalog, id: string): Promise<{ setId: string; group: number }[]> {
  return db
    .selectFrom('retrieval_archives as r')
    .innerJoin('copies', (join) =>
      join
        .onRef('copies.set_id', '=', 'r.set_id')
        .onRef('copies.group_no', '=', 'r.group_no')
        .onRef('copies.copy_no', '=', 'r.copy_no'),
    )
    .select(['r.set_id as setId', 'r.group_no as group'])
    .distinct()
    .where('r.retrieval_id', '=', id)
    .where('r.state', '!=', 'pending')
    .where('copies.damage', 'is not', null)
    .orderBy('r.set_id')
    .orderBy('r.group_no')
    .execute();
}

async function copiesOf(db: Catalog, setId: string, group: number): Promise<AnyCopy[]> {
  return committedCopies(db, { setId, group }, 'any');
}

async function isFinal(db: Catalog, setId: string): Promise<boolean> {
  return finalSetStates.includes((await setNamed(db, setId)).state);
}

/** Number of the new copy: one that the set lacks in this pool, or else the next free number. */
async function numberFor(
  db: Catalog,
  setId: string,
  pool: string,
  copies: readonly AnyCopy[],
): Promise<number> {
  const places = placesOf(await setNamed(db, setId));
  const lacking = places.findIndex(
    (place, index) =>
      place.pool === pool && !copies.some((copy) => copy.copy_no === index + 1 && copy.committed_at !== null),
  );
  if (places.length > 1 && lacking !== -1) return lacking + 1;
  return Math.max(places.length, ...copies.map((copy) => copy.copy_no)) + 1;
}

function noSource(setId: string, group: number): RetrievalProblem {
  return { path: null, reason: english`Group ${group} of set ${setId} is on no tape to be copied from.` };
}

function unfinished(setId: string, group: number): RetrievalProblem {
  const reason = english`Group ${group} of set ${setId} is not copied: the set is unfinished, and
    still writes itself.`;
  return { path: null, reason };
}
