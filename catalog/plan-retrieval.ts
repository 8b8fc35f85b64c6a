import type { Catalog } from './open-catalog.js';
import { missingOf } from './rebuilt-sets.js';
import type { PlannedArchive } from './retrievals.js';
import { selectedFiles } from './selected-files.js';
import { setNamed } from './sets.js';
import { isEverything, type Selection } from '../source/selection.js';

/** What a retrieval will read, and what it knows beforehand that it cannot have. */
export interface RetrievalPlan {
  archives: PlannedArchive[];
  problems: string[];
}

interface CopyOnTape {
  set_id: string;
  group_no: number;
  copy_no: number;
  tape_uuid: string;
  committed_at: number | null;
  members: number;
  bytes_in: number;
}

async function committedCopies(
  db: Catalog,
  what: { setId: string } | { tape: string },
): Promise<CopyOnTape[]> {
  let query = db
    .selectFrom('copies')
    .innerJoin('archives', (join) =>
      join.onRef('archives.set_id', '=', 'copies.set_id').onRef('archives.group_no', '=', 'copies.group_no'),
    )
    .select([
      'copies.set_id',
      'copies.group_no',
      'copies.copy_no',
      'copies.tape_uuid',
      'copies.committed_at',
      'archives.members',
      'archives.bytes_in',
    ])
    .where('copies.state', '=', 'committed')
    .orderBy('copies.set_id')
    .orderBy('copies.group_no')
    .orderBy('copies.copy_no');
  query =
    'tape' in what
      ? query.where('copies.tape_uuid', '=', what.tape)
      : query.where('copies.set_id', '=', what.setId);
  return query.execute();
}

/** Tape after tape, in the order in which the set came to them; on each in the order of writing. */
function inTapeOrder(copies: readonly CopyOnTape[]): CopyOnTape[] {
  const tapes = [...new Set(copies.map((copy) => copy.tape_uuid))];
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

/** The archives that a selection of a set needs, one copy of each. */
export async function planRestore(db: Catalog, setId: string, selection: Selection): Promise<RetrievalPlan> {
  const wanted = isEverything(selection) ? undefined : await wantedByGroup(db, setId, selection);
  const firstCopies = new Map<number, CopyOnTape>();
  for (const copy of await committedCopies(db, { setId }))
    if (!firstCopies.has(copy.group_no)) firstCopies.set(copy.group_no, copy);
  const copies = [...firstCopies.values()].filter((copy) => wanted?.has(copy.group_no) ?? true);
  const groups = await db
    .selectFrom('groups')
    .select(['no', 'state', 'entries'])
    .where('set_id', '=', setId)
    .where('state', '!=', 'skipped')
    .orderBy('no')
    .execute();
  const problems = groups
    .filter(({ no }) => !firstCopies.has(no) && (wanted?.has(no) ?? true))
    .map(
      ({ no, state, entries }) =>
        `Group ${no} of set ${setId} (${wanted?.get(no)?.members ?? entries} entries) is on no tape: it is ${state}.`,
    );
  const missing = missingOf(await setNamed(db, setId));
  return {
    archives: inTapeOrder(copies).map((copy) => planned(copy, wanted?.get(copy.group_no))),
    problems: missing === undefined ? problems : [missing, ...problems],
  };
}

async function wantedByGroup(db: Catalog, setId: string, selection: Selection) {
  const groups = new Map<number, { members: number; bytes: number }>();
  for await (const page of selectedFiles(db, setId, selection, undefined)) {
    for (const row of page) {
      if (row.state === 'skipped' && row.tar_offset === null) continue;
      const group = groups.get(row.group_no) ?? { members: 0, bytes: 0 };
      group.members += 1;
      group.bytes += row.size;
      groups.set(row.group_no, group);
    }
  }
  return groups;
}

/** Every archive of a set, all its copies, or every archive on a tape; of those a part chosen by chance. */
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
