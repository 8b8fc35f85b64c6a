import { english } from '../../messages/sentence.js';
import { tapesOfGroup } from '../copies/copies.js';
import type { GroupState } from '../schema/group-tables.js';
import { forgetIn } from './forget-archive.js';
import { parkGroupIn, transitionGroup } from './group-states.js';
import { archiveOf } from './groups.js';
import type { GroupRow } from '../rows.js';
import type { Catalog } from '../open-catalog.js';

/** Group states in which something may be staged, or an attempt may be staging it. */
const mayBeStaged: readonly GroupState[] = [
  'compressing',
  'compressed',
  'promoted',
  'queued',
  'writing',
  'written',
  'committed',
  'failed',
];

/**
 * Records in one transaction, before deleting, that everything a set has in staging is gone: staged archives are
 * forgotten, and a `retry` compresses them again; a committed group is released; a group with only some of its copies
 * on tape is parked, since its archive is never compressed again. An attempt that still compresses or writes loses its
 * group. Direct groups have nothing in staging and stay as they are.
 */
export async function discardStaged(catalog: Catalog, setId: string): Promise<void> {
  await catalog.transaction().execute(async (tx) => {
    const groups = await tx
      .selectFrom('groups')
      .selectAll()
      .where('set_id', '=', setId)
      .where('direct', '=', 0)
      .where('state', 'in', mayBeStaged)
      .orderBy('no')
      .execute();
    for (const group of groups) await discard(tx, group);
    await tx.updateTable('groups').set({ reserved: 0 }).where('set_id', '=', setId).execute();
  });
}

async function discard(tx: Catalog, group: GroupRow): Promise<void> {
  const { set_id: setId, no, state } = group;
  if (state === 'committed') {
    await transitionGroup(tx, setId, no, 'release', {}, [{ stage: 'released' }]);
    return;
  }
  if ((await archiveOf(tx, setId, no)) === undefined) {
    // From now on no running attempt may publish its archive.
    if (state === 'compressing') await transitionGroup(tx, setId, no, 'startOver');
    return;
  }
  const [tape] = await tapesOfGroup(tx, setId, no);
  if (tape === undefined) await forgetIn(tx, group, english`it was discarded by \`cancel --discard\``);
  else {
    const reason = english`cancelling: its staged archive was deleted by \`cancel --discard\`, and only tape
      ${tape} holds it; \`tapeflow tape copy ${setId} --pool POOL\` makes the missing copy from that tape`;
    await parkGroupIn(tx, setId, no, reason);
  }
}
