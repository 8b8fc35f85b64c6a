import { english } from '../../messages/sentence.js';
import { formatCount, formatNumber } from '../../config/counts.js';
import type { Catalog } from '../open-catalog.js';
import type { RetrievalRow } from '../rows.js';
import { planRepair } from './plan/plan-copies.js';
import type { RetrievalProblem } from './retrieval-problems.js';
import { summarizeRetrieval } from './retrieval-summary.js';
import { insertRetrieval, type NewRetrieval, unfinishedRetrievalLike } from './retrievals.js';

/** Up to so many damaged archives are written again without a person who has looked at the drive. */
const someDamage = 3;
/** More only if they are less than this part of what was read: a drive that reads badly makes all look damaged. */
const badPart = 0.1;

/** The copy that writes again what a verify found damaged; without a row nothing is to be written. */
export interface OpenedRepair {
  row: RetrievalRow | undefined;
  attached: boolean;
  problems: readonly RetrievalProblem[];
}

/**
 * Creates the copy that writes again, from another copy to a tape of the same pool, what a verify has found damaged, or
 * finds the unfinished one. Writes nothing again where so much is damaged that it is rather the drive.
 *
 * @param loaded UUIDs of the tapes in the drives.
 */
export async function openRepairOf(
  catalog: Catalog,
  { id, subject, drive, any_drive }: RetrievalRow,
  loaded: readonly string[],
): Promise<OpenedRepair> {
  const wanted: NewRetrieval = {
    ...{ kind: 'copy', subject, drive, any_drive, to_drive: any_drive === 1 ? null : drive, target: null },
    ...{ overwrite: 'never', selection: JSON.stringify({ repair: id }) },
  };
  const unfinished = await unfinishedRetrievalLike(catalog, wanted);
  if (unfinished !== undefined) return { row: unfinished, attached: true, problems: [] };
  const { archives, problems } = await planRepair(catalog, { verify: id }, loaded);
  const { archivesDone: read } = await summarizeRetrieval(catalog, id);
  const damaged = archives.length + problems.length;
  if (damaged > someDamage && damaged > read * badPart) {
    const reason = english`${formatNumber(damaged)} of ${formatCount(read, 'archive')} read are
        damaged, so that it may be the drive: nothing is written again. \`tapeflow verify NAME --repair\` does so
        when it was checked.`;
    return { row: undefined, attached: false, problems: [{ path: null, reason }] };
  }
  if (archives.length === 0) return { row: undefined, attached: false, problems };
  return { row: await insertRetrieval(catalog, wanted, archives, problems), attached: false, problems };
}
