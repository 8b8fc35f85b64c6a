import { english } from '../../messages/sentence.js';
import { TapeflowFailure } from '../../config/failures.js';
import type { Catalog } from '../open-catalog.js';
import type { ArchiveRow, GroupRow } from '../rows.js';
import { tapesOfGroup } from '../copies/copies.js';
import type { GroupState } from '../schema/group-tables.js';
import { layerOf, stateCode, typeCode } from '../files/entry-rows.js';
import { recordEvents } from './events.js';
import { transitionGroup } from './group-states.js';
import { loseCopiesOf } from '../copies/lost-copies.js';
import { archiveOf, groupOf } from './groups.js';

/**
 * Forgets a group's archive because its staged bytes are gone or damaged; it is compressed again. Only while no copy is
 * committed, and only for the archive that the attempt looked for; with `in`, only while the group is still in that
 * state.
 *
 * @returns false when the archive is another one by now, or further on: nothing was forgotten. Throws
 *   `StagedArchiveGone` when another copy of it is already on tape: the missing copy then needs exactly this archive.
 */
export async function forgetArchive(
  catalog: Catalog,
  archive: Pick<ArchiveRow, 'set_id' | 'group_no' | 'token'>,
  reason: string,
  options: { in?: GroupState } = {},
): Promise<boolean> {
  const { set_id: setId, group_no: no } = archive;
  return catalog.transaction().execute(async (tx) => {
    const group = await groupOf(tx, setId, no);
    if (group.state === 'committed' || group.state === 'released') return false;
    if (options.in !== undefined && group.state !== options.in) return false;
    if ((await archiveOf(tx, setId, no))?.token !== archive.token) return false;
    await requireNoCommittedCopy(tx, setId, no, reason);
    await forgetIn(tx, group, reason);
    return true;
  });
}

/** The same without checks, in the caller's transaction; no copy of the archive may be committed. */
export async function forgetIn(tx: Catalog, group: GroupRow, reason: string): Promise<void> {
  const { set_id: setId, no } = group;
  await tx.deleteFrom('archives').where('set_id', '=', setId).where('group_no', '=', no).execute();
  await loseCopiesOf(tx, setId, no);
  // Entries that packing skipped are tried again; those that the scan could not read (never plain files) stay skipped.
  await tx
    .updateTable('entries')
    .set({ state: stateCode('planned'), reason: null, sha256: null, tar_offset: null })
    .where('layer', '=', layerOf(setId))
    .where('path', '>=', group.first_path)
    .where('path', '<=', group.last_path)
    .where('type', '=', typeCode('file'))
    // An earlier archive holds it.
    .where('state', '!=', stateCode('unchanged'))
    .execute();
  // A parked group stays parked, with its reason, until someone retries it.
  if (group.state !== 'failed') await transitionGroup(tx, setId, no, 'startOver', { token: null });
  await recordEvents(tx, [{ setId, group: no, stage: 'lost', detail: reason }]);
}

async function requireNoCommittedCopy(tx: Catalog, setId: string, no: number, reason: string): Promise<void> {
  const [tape] = await tapesOfGroup(tx, setId, no);
  if (tape === undefined) return;
  throw new TapeflowFailure(
    'StagedArchiveGone',
    english`The staged archive of group ${no} cannot be used any more
      (${reason.replace(/\.$/, '')}), and only tape ${tape} holds it.`,
    { advice: english`\`tapeflow tape copy ${setId} --pool POOL\` makes the missing copy from that tape.` },
  );
}
