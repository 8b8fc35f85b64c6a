import { isEverything, type Selection } from '../../../entry/selection.js';
import type { Catalog } from '../../open-catalog.js';
import { missingNote, possibleLossNote } from '../../rebuilt/rebuilt-sets.js';
import { setNamed } from '../../sets/sets.js';
import type { RetrievalProblem } from '../retrieval-problems.js';
import type { PlannedArchive } from '../retrievals.js';
import { committedCopies, type CopyOnTape, inTapeOrder, plannedOf } from './copies-on-tape.js';
import { missingElsewhere, missingGroups } from './missing-archives.js';
import { archivesOf, archiveKey, selectedArchives, type WantedArchive } from './wanted-archives.js';

/** What a retrieval will read, and what is known beforehand to be unavailable. */
export interface RetrievalPlan {
  archives: PlannedArchive[];
  problems: RetrievalProblem[];
}

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
      const name = archiveKey(copy.set_id, copy.group_no);
      const other = copies.get(name);
      if (other === undefined || merit(copy) > merit(other)) copies.set(name, copy);
    }
  const found = new Map<CopyOnTape, WantedArchive>();
  const missing: WantedArchive[] = [];
  for (const archive of wanted) {
    const copy = copies.get(archiveKey(archive.setId, archive.group));
    if (copy === undefined) missing.push(archive);
    else found.set(copy, archive);
  }
  const set = await setNamed(db, setId);
  const lacking = missingNote(set) ?? possibleLossNote(set);
  const inSetOrder = [...copies.values()].filter((copy) => found.has(copy));
  return {
    archives: inTapeOrder(inSetOrder, loaded).map((copy) => plannedOf(copy, found.get(copy))),
    problems: [
      ...(lacking === undefined ? [] : [{ path: null, reason: lacking }]),
      ...(await missingGroups(db, setId, missing)),
      ...(await missingElsewhere(db, setId, selection, missing)),
    ],
  };
}
