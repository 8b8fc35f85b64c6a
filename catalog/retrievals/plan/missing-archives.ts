import { english } from '../../../messages/sentence.js';
import { formatCount } from '../../../config/counts.js';
import type { Selection } from '../../../entry/selection.js';
import { lostTapesOf } from '../../copies/copies.js';
import { holderOf } from '../../files/files.js';
import { selectedFiles } from '../../files/selected-files.js';
import { groupOf } from '../../groups/groups.js';
import type { Catalog } from '../../open-catalog.js';
import type { RetrievalProblem } from '../retrieval-problems.js';
import { archiveKey, type WantedArchive } from './wanted-archives.js';

/** Groups of the set itself that are on no tape, with their state. */
export async function missingGroups(
  db: Catalog,
  setId: string,
  missing: readonly WantedArchive[],
): Promise<RetrievalProblem[]> {
  const problems: RetrievalProblem[] = [];
  for (const { group, members } of missing.filter((archive) => archive.setId === setId)) {
    const { state } = await groupOf(db, setId, group);
    const tapes = await lostTapesOf(db, setId, group);
    // `released` means that it was on tape; its tape has been erased since.
    const gone = state === 'released' ? english`it is on none any more` : english`it is ${state}`;
    const why = tapes.length === 0 ? gone : english`it was on ${tapes.join(' and ')}, now lost`;
    const reason = english`Group ${group} of set ${setId} (${formatCount(members, 'entry', 'entries')}) is on no
      tape: ${why}.`;
    problems.push({ path: null, reason });
  }
  return problems;
}

/** Files of the set whose content is in an archive of an earlier set that is on no tape. */
export async function missingElsewhere(
  db: Catalog,
  setId: string,
  selection: Selection,
  missing: readonly WantedArchive[],
): Promise<RetrievalProblem[]> {
  const reasons = new Map(
    missing
      .filter((archive) => archive.setId !== setId)
      .map(({ setId: holder, group }) => [
        archiveKey(holder, group),
        english`Unchanged since set ${holder}, whose group ${group} is on no tape that the catalog knows.`,
      ]),
  );
  if (reasons.size === 0) return [];
  const problems: RetrievalProblem[] = [];
  for await (const page of selectedFiles(db, setId, selection)) {
    for (const row of page) {
      const holder = holderOf(row);
      const reason = reasons.get(archiveKey(holder.setId, holder.group));
      if (reason !== undefined) problems.push({ path: row.path, reason });
    }
  }
  return problems;
}
