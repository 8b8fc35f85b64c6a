import { recordFailed } from '../../catalog/retrievals/archive-results.js';
import type { RetrievalState } from '../../catalog/schema/retrieval-tables.js';
import {
  pendingArchive,
  pendingArchives,
  recordRetrieval,
  retrievalNamed,
} from '../../catalog/retrievals/retrievals.js';
import { dropPending, sliceOf } from '../../catalog/retrievals/slices.js';
import { asAttempt } from '../attempt.js';
import type { Deps, RetrievalRef } from '../../operations/deps.js';
import { english } from '../../messages/sentence.js';

/** Archives per page that the workflow receives. */
const pageSize = 50;

/** The next archives to read, in order. */
export interface NextArchive {
  no: number;
  setId: string;
  group: number;
  /** UUID of its tape. */
  tape: string;
}

/** The next archives of a retrieval that are still to be read. */
export function nextArchives({ catalog }: Deps, id: string): Promise<NextArchive[]> {
  return asAttempt(async () => {
    const slice = sliceOf(await retrievalNamed(catalog, id));
    const isOver = slice?.until !== undefined && slice.until !== null && Date.now() >= slice.until;
    if (isOver) await dropPending(catalog, id);
    // One at a time where the time is limited.
    const rows = await pendingArchives(catalog, id, slice === undefined ? pageSize : 1);
    return rows.map(({ no, set_id: setId, group_no: group, tape_uuid: tape }) => ({
      no,
      setId,
      group,
      tape,
    }));
  });
}

/** Records what a retrieval does, or waits for. */
export function recordRetrievalState(
  { catalog }: Deps,
  id: string,
  state: RetrievalState,
  reason: string | null,
): Promise<void> {
  return asAttempt(() => recordRetrieval(catalog, id, state, reason));
}

/** Gives up an archive that could not be read in all its attempts, and records that. */
export function giveUpArchive({ catalog }: Deps, ref: RetrievalRef, reason: string): Promise<void> {
  return asAttempt(async () => {
    const row = await pendingArchive(catalog, ref.id, ref.no);
    if (row === undefined) return;
    const sentence = english`The archive of group ${row.group_no} of set ${row.set_id} was given up: ${reason}`;
    await recordFailed(catalog, row, sentence);
  });
}
