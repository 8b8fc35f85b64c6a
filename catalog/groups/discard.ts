import { advance, forgetIn } from './groups.js';
import type { GroupRow } from '../rows.js';
import { recordEvents } from './events.js';
import type { Catalog } from '../open-catalog.js';
import type { GroupState } from '../schema.js';
import { tapesOfGroup } from '../tapes/tapes.js';

/** Group states in which there may be something in staging, or an attempt that puts it there. */
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
 * Notes that all that a set has in staging is deleted, in one transaction, before it is: what is staged in any state is
 * forgotten and compressed anew by a `retry`, a committed group is released, and one of which a copy is on tape while
 * another is still to be made is parked, since its archive is never made anew. An attempt that still compresses or
 * writes finds its group taken away. Direct groups have nothing in staging, and stay as they are.
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
    await advance(tx, setId, no, ['committed'], 'released', [{ stage: 'released' }]);
    return;
  }
  if (!(await hasArchive(tx, group))) {
    if (state === 'compressing') await putBack(tx, group);
    return;
  }
  const [tape] = await tapesOfGroup(tx, setId, no);
  if (tape === undefined) await forgetIn(tx, group, 'it was discarded by `cancel --discard`');
  else if (state !== 'failed') await park(tx, group, tape);
}

/** From here on no attempt that is under way may publish its archive. */
async function putBack(tx: Catalog, { set_id: setId, no }: GroupRow): Promise<void> {
  await tx
    .updateTable('groups')
    .set({ state: 'planned' })
    .where('set_id', '=', setId)
    .where('no', '=', no)
    .execute();
}

async function hasArchive(tx: Catalog, { set_id: setId, no }: GroupRow): Promise<boolean> {
  const archive = await tx
    .selectFrom('archives')
    .select('group_no')
    .where('set_id', '=', setId)
    .where('group_no', '=', no)
    .executeTakeFirst();
  return archive !== undefined;
}

async function park(tx: Catalog, { set_id: setId, no }: GroupRow, tape: string): Promise<void> {
  const reason = `cancelling: its staged archive was deleted by \`cancel --discard\`, and only tape ${tape} holds it; \`tapeflow tape copy ${setId} --pool POOL\` makes the missing copy from that tape`;
  await tx
    .updateTable('groups')
    .set({ state: 'failed', reason })
    .where('set_id', '=', setId)
    .where('no', '=', no)
    .execute();
  await recordEvents(tx, [{ setId, group: no, stage: 'failed', detail: reason }]);
}
