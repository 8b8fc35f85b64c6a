import { holderOf } from '../files/files.js';
import { groupOf } from '../groups/groups.js';
import type { Catalog } from '../open-catalog.js';
import { possibleLossNote, missingNote } from '../sets/rebuilt-sets.js';
import type { RetrievalProblem } from './read-results.js';
import type { PlannedArchive } from './retrievals.js';
import { selectedFiles } from '../files/selected-files.js';
import { setNamed } from '../sets/sets.js';
import { formatCount } from '../../config/counts.js';
import { isEverything, type Selection } from '../../entry/selection.js';

/** What a retrieval will read, and what is known beforehand to be unavailable. */
export interface RetrievalPlan {
  archives: PlannedArchive[];
  problems: RetrievalProblem[];
}

export interface CopyOnTape {
  set_id: string;
  group_no: number;
  copy_no: number;
  tape_uuid: string;
  committed_at: number | null;
  members: number;
  bytes_in: number;
  state: string;
  damage: string | null;
  /** SHA-256 of its manifest; empty when its tape is known to have none. */
  manifest: string;
  /** Of its tape. */
  pool: string;
}

/** Copies of a set, of one of its groups, or on a tape: only committed ones, or in any state. */
export async function committedCopies(
  db: Catalog,
  what: { setId: string; group?: number } | { tape: string },
  states: 'committed' | 'any' = 'committed',
): Promise<CopyOnTape[]> {
  let query = db
    .selectFrom('copies')
    .innerJoin('archives', (join) =>
      join.onRef('archives.set_id', '=', 'copies.set_id').onRef('archives.group_no', '=', 'copies.group_no'),
    )
    .innerJoin('tapes', 'tapes.uuid', 'copies.tape_uuid')
    .select([
      'copies.set_id',
      'copies.group_no',
      'copies.copy_no',
      'copies.tape_uuid',
      'copies.committed_at',
      'archives.members',
      'archives.bytes_in',
      'copies.state',
      'copies.damage',
      'tapes.pool',
    ])
    .select((eb) => eb.fn.coalesce('copies.manifest_sha256', 'archives.manifest_sha256').as('manifest'))
    .orderBy('copies.set_id')
    .orderBy('copies.group_no')
    .orderBy('copies.copy_no');
  if (states === 'committed') query = query.where('copies.state', '=', 'committed');
  if ('tape' in what) return query.where('copies.tape_uuid', '=', what.tape).execute();
  if (what.group !== undefined) query = query.where('copies.group_no', '=', what.group);
  return query.where('copies.set_id', '=', what.setId).execute();
}

/** Ordered by tape: loaded tapes first, then in the order the set used them; within a tape in writing order. */
export function inTapeOrder(copies: readonly CopyOnTape[], loaded: readonly string[] = []): CopyOnTape[] {
  const tapes = [...new Set(copies.map((copy) => copy.tape_uuid))];
  tapes.sort((a, b) => Number(loaded.includes(b)) - Number(loaded.includes(a)));
  return [...copies].sort(
    (a, b) =>
      tapes.indexOf(a.tape_uuid) - tapes.indexOf(b.tape_uuid) ||
      (a.committed_at ?? 0) - (b.committed_at ?? 0) ||
      (a.set_id < b.set_id ? -1 : a.set_id > b.set_id ? 1 : a.group_no - b.group_no),
  );
}

function planned(copy: CopyOnTape, wanted?: { members: number; bytes: number }): PlannedArchive {
  return {
    setId: copy.set_id,
    group: copy.group_no,
    copyNo: copy.copy_no,
    tape: copy.tape_uuid,
    members: wanted?.members ?? copy.members,
    bytes: wanted?.bytes ?? copy.bytes_in,
  };
}

/** What is wanted of one archive. */
interface WantedArchive {
  setId: string;
  group: number;
  members: number;
  bytes: number;
}

const nameOf = (setId: string, group: number) => `${setId} ${group}`;

/**
 * The archives that a selection of a set needs, one copy of each: its own, and those of earlier sets that hold
 * unchanged files. What is on no tape is reported as a problem; the rest is planned anyway. Of several copies it
 * prefers undamaged ones, and among those one on a loaded tape.
 *
 * @param loaded UUIDs of the tapes in the drives that may read.
 */
export async function planRestore(
  db: Catalog,
  setId: string,
  selection: Selection,
  loaded: readonly string[] = [],
): Promise<RetrievalPlan> {
  const wanted = isEverything(selection)
    ? await archivesOf(db, setId)
    : await selectedArchives(db, setId, selection);
  const copies = new Map<string, CopyOnTape>();
  const merit = (copy: CopyOnTape) =>
    (copy.damage === null ? 2 : 0) + (loaded.includes(copy.tape_uuid) ? 1 : 0);
  for (const holder of [...new Set(wanted.map((archive) => archive.setId))].sort())
    for (const copy of await committedCopies(db, { setId: holder })) {
      const name = nameOf(copy.set_id, copy.group_no);
      const other = copies.get(name);
      if (other === undefined || merit(copy) > merit(other)) copies.set(name, copy);
    }
  const found = new Map<CopyOnTape, WantedArchive>();
  const missing: WantedArchive[] = [];
  for (const archive of wanted) {
    const copy = copies.get(nameOf(archive.setId, archive.group));
    if (copy === undefined) missing.push(archive);
    else found.set(copy, archive);
  }
  const set = await setNamed(db, setId);
  const lacking = missingNote(set) ?? possibleLossNote(set);
  const inSetOrder = [...copies.values()].filter((copy) => found.has(copy));
  return {
    archives: inTapeOrder(inSetOrder, loaded).map((copy) => planned(copy, found.get(copy))),
    problems: [
      ...(lacking === undefined ? [] : [{ path: null, reason: lacking }]),
      ...(await missingGroups(db, setId, missing)),
      ...(await missingElsewhere(db, setId, selection, missing)),
    ],
  };
}

/** Every archive that a restore of a set needs: its own, and those of earlier sets. */
export async function archivesOf(db: Catalog, setId: string): Promise<WantedArchive[]> {
  return [...(await ownArchives(db, setId)), ...(await heldElsewhere(db, setId))];
}

/** The set's own non-empty archives, including those still to be made. */
async function ownArchives(db: Catalog, setId: string): Promise<WantedArchive[]> {
  const groups = await db
    .selectFrom('groups')
    .leftJoin('archives', (join) =>
      join.onRef('archives.set_id', '=', 'groups.set_id').onRef('archives.group_no', '=', 'groups.no'),
    )
    .select(['groups.no', 'groups.entries', 'groups.unchanged', 'groups.bytes'])
    .select(['archives.members', 'archives.bytes_in'])
    .where('groups.set_id', '=', setId)
    .where('groups.state', '!=', 'skipped')
    .orderBy('groups.no')
    .execute();
  return groups
    .map(({ no: group, entries, unchanged, bytes, members, bytes_in }) => ({
      ...{ setId, group },
      members: members ?? entries - unchanged,
      bytes: bytes_in ?? bytes,
    }))
    .filter(({ members }) => members > 0);
}

/** Archives of earlier sets that hold unchanged files of this set. */
async function heldElsewhere(db: Catalog, setId: string): Promise<WantedArchive[]> {
  const rows = await db
    .selectFrom('files')
    .select((eb) => [
      'held_set',
      'held_group',
      eb.fn.countAll<number>().as('members'),
      eb.fn.sum<number>('size').as('bytes'),
    ])
    .where('set_id', '=', setId)
    .where('held_set', 'is not', null)
    .groupBy(['held_set', 'held_group'])
    .execute();
  return rows.map(({ held_set, held_group, members, bytes }) => ({
    ...{ setId: held_set ?? setId, group: held_group ?? 0, members },
    bytes: Number(bytes),
  }));
}

async function selectedArchives(db: Catalog, setId: string, selection: Selection): Promise<WantedArchive[]> {
  const archives = new Map<string, WantedArchive>();
  for await (const page of selectedFiles(db, setId, selection, undefined)) {
    for (const row of page) {
      if (row.state === 'skipped' && row.tar_offset === null) continue;
      const holder = holderOf(row);
      const name = nameOf(holder.setId, holder.group);
      const archive = archives.get(name) ?? { ...holder, members: 0, bytes: 0 };
      archive.members += 1;
      archive.bytes += row.size;
      archives.set(name, archive);
    }
  }
  return [...archives.values()];
}

/** Groups of the set itself that are on no tape, with their state. */
async function missingGroups(
  db: Catalog,
  setId: string,
  missing: readonly WantedArchive[],
): Promise<RetrievalProblem[]> {
  const problems: RetrievalProblem[] = [];
  for (const { group, members } of missing.filter((archive) => archive.setId === setId)) {
    const { state } = await groupOf(db, setId, group);
    const tapes = await lostTapesOf(db, setId, group);
    // `released` means that it was on tape; its tape has been erased since.
    const gone = state === 'released' ? 'it is on none any more' : `it is ${state}`;
    const why = tapes.length === 0 ? gone : `it was on ${tapes.join(' and ')}, now lost`;
    const reason = `Group ${group} of set ${setId} (${formatCount(members, 'entry', 'entries')}) is on no tape: ${why}.`;
    problems.push({ path: null, reason });
  }
  return problems;
}

/** Names of lost tapes that held a group. */
async function lostTapesOf(db: Catalog, setId: string, group: number): Promise<string[]> {
  const rows = await db
    .selectFrom('copies')
    .innerJoin('tapes', 'tapes.uuid', 'copies.tape_uuid')
    .select('tapes.name')
    .where('copies.set_id', '=', setId)
    .where('copies.group_no', '=', group)
    .where('tapes.state', '=', 'lost')
    .orderBy('copies.copy_no')
    .execute();
  return [...new Set(rows.map((row) => row.name))];
}

/** Files of the set whose content is in an archive of an earlier set that is on no tape. */
async function missingElsewhere(
  db: Catalog,
  setId: string,
  selection: Selection,
  missing: readonly WantedArchive[],
): Promise<RetrievalProblem[]> {
  const reasons = new Map(
    missing
      .filter((archive) => archive.setId !== setId)
      .map(({ setId: holder, group }) => [
        nameOf(holder, group),
        `Unchanged since set ${holder}, whose group ${group} is on no tape that the catalog knows.`,
      ]),
  );
  if (reasons.size === 0) return [];
  const problems: RetrievalProblem[] = [];
  for await (const page of selectedFiles(db, setId, selection, undefined)) {
    for (const row of page) {
      const holder = holderOf(row);
      const reason = reasons.get(nameOf(holder.setId, holder.group));
      if (reason !== undefined) problems.push({ path: row.path, reason });
    }
  }
  return problems;
}

/** All copies of every archive of a set, or every archive on a tape; optionally a random sample. */
export async function planVerify(
  db: Catalog,
  what: { setId: string } | { tape: string },
  samplePercent: number,
): Promise<PlannedArchive[]> {
  const copies = inTapeOrder(await committedCopies(db, what));
  if (samplePercent >= 100) return copies.map((copy) => planned(copy));
  const count = Math.max(1, Math.round((copies.length * samplePercent) / 100));
  const chosen = new Set<CopyOnTape>();
  while (chosen.size < Math.min(count, copies.length)) {
    const copy = copies[Math.floor(Math.random() * copies.length)];
    if (copy !== undefined) chosen.add(copy);
  }
  return copies.filter((copy) => chosen.has(copy)).map((copy) => planned(copy));
}
