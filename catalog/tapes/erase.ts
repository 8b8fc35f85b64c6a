import { english } from '../../messages/sentence.js';
import { eraseCommitted } from '../copies/lost-copies.js';
import { formatCount, formatNumber } from '../../config/counts.js';
import type { Retentions } from '../../config/settings/retention.js';
import { recordEvents } from '../groups/events.js';
import type { Catalog } from '../open-catalog.js';
import type { TapeRow } from '../rows.js';
import { SetRetention } from '../sets/set-retention.js';
import { requireErasable } from './erasable.js';
import { type TapeContent, tapeRetention } from './tape-retention.js';
import { transitionTape } from './tape-states.js';
import { tapeByUuid } from './tapes.js';

export interface EraseRequest {
  /** UUID of the tape. */
  tape: string;
  retentions: Retentions;
  /** Also erase what has not expired, or what unexpired sets build on. */
  evenUnexpired: boolean;
  /** The tape was already formatted: the empty one without a label in the drive is it. */
  formatted?: boolean;
}

/**
 * Records, before the first byte is deleted, that nothing on a tape counts any more: from now on no restore asks for it
 * and no set builds on it. Checks in the same transaction that it may be erased. Does nothing when the erase has
 * already begun.
 *
 * @param erasedTo the UUID of the tape's new label.
 * @returns the tape, in the state `erasing`.
 */
export async function beginErase(catalog: Catalog, wish: EraseRequest, erasedTo: string): Promise<TapeRow> {
  return catalog.transaction().execute(async (tx) => {
    const tape = await tapeByUuid(tx, wish.tape);
    if (tape === undefined) throw new Error(`no tape ${wish.tape}`);
    if (tape.state === 'erasing') return tape;
    const now = Date.now();
    const kept = await tapeRetention(tx, tape, await SetRetention.of(tx, wish.retentions), now);
    requireErasable(kept, wish.evenUnexpired, now);
    await eraseCommitted(tx, tape.uuid);
    for (const set of kept.sets) await loseSet(tx, tape, set, now);
    const erasing = await transitionTape(
      tx,
      tape.uuid,
      'erase',
      english`\`tape erase ${tape.name}\` has begun`,
    );
    if (erasing === undefined) throw new Error(`the tape ${tape.name} is ${tape.state}`);
    await tx.updateTable('tapes').set({ erased_to: erasedTo }).where('uuid', '=', tape.uuid).execute();
    return { ...erasing, erased_to: erasedTo };
  });
}

/** Records what a set loses with a tape. */
async function loseSet(tx: Catalog, tape: TapeRow, set: TapeContent, now: number): Promise<void> {
  const { setId, archives, elsewhere } = set;
  const lost = archives - elsewhere;
  const others = `${formatNumber(elsewhere)} ${elsewhere === 1 ? 'is' : 'are'} on another`;
  const detail =
    `${formatCount(archives, 'archive')} on tape ${tape.name}` +
    (elsewhere > 0 ? `, of which ${others}` : '');
  await recordEvents(tx, [{ setId, group: null, stage: 'erased', bytes: set.bytes, detail }], now);
  if (lost === 0) return;
  const some =
    lost === 1
      ? english`one of its archives was erased with tape ${tape.name}`
      : english`${formatNumber(lost)} of its archives were erased with tape ${tape.name}`;
  const reason = set.remaining === 0 ? english`its archives were erased with tape ${tape.name}` : some;
  await tx.updateTable('sets').set({ erased_at: now, reason }).where('id', '=', setId).execute();
  // With `--even-unexpired`: sets that build on it and are not on the tape lose files too.
  for (const id of set.neededBy) {
    if (!(await losesFiles(tx, id, setId, tape))) continue;
    const reason = english`files that set ${setId} held for it were erased with tape ${tape.name}`;
    await recordEvents(tx, [{ setId: id, group: null, stage: 'erased', detail: reason }], now);
    await tx.updateTable('sets').set({ erased_at: now, reason }).where('id', '=', id).execute();
  }
}

/** True when unchanged files of a set were in archives of an earlier set that existed only on the tape. */
async function losesFiles(tx: Catalog, setId: string, holder: string, tape: TapeRow): Promise<boolean> {
  const row = await tx
    .selectFrom('files')
    .innerJoin('copies as erased', (join) =>
      join
        .onRef('erased.set_id', '=', 'files.held_set')
        .onRef('erased.group_no', '=', 'files.held_group')
        .on('erased.tape_uuid', '=', tape.uuid)
        .on('erased.state', '=', 'erased'),
    )
    .leftJoin('copies as other', (join) =>
      join
        .onRef('other.set_id', '=', 'erased.set_id')
        .onRef('other.group_no', '=', 'erased.group_no')
        .on('other.state', '=', 'committed'),
    )
    .select('files.path')
    .where('files.set_id', '=', setId)
    .where('files.held_set', '=', holder)
    .where('other.copy_no', 'is', null)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/** Ends an erase: the tape has its new label, and the old UUID no longer exists. */
export async function finishErase(
  catalog: Catalog,
  tape: TapeRow,
  label: Pick<TapeRow, 'uuid' | 'name' | 'volume' | 'capacity' | 'free'>,
): Promise<TapeRow> {
  return catalog.transaction().execute(async (tx) => {
    await tx.deleteFrom('copies').where('tape_uuid', '=', tape.uuid).execute();
    await tx.deleteFrom('end_marks').where('tape_uuid', '=', tape.uuid).execute();
    await tx.deleteFrom('begun_copies').where('tape_uuid', '=', tape.uuid).execute();
    const now = Date.now();
    await transitionTape(tx, tape.uuid, 'relabel');
    return tx
      .updateTable('tapes')
      .set({ ...label, erased_to: null, read_only: 0, labelled_at: now, seen_at: now })
      .where('uuid', '=', tape.uuid)
      .returningAll()
      .executeTakeFirstOrThrow();
  });
}
