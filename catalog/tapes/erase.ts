import { formatCount, formatNumber } from '../../config/counts.js';
import { TapeflowFailure } from '../../config/failures.js';
import type { Retentions } from '../../config/retention.js';
import { recordEvents } from '../groups/events.js';
import { SetRetention } from '../sets/set-retention.js';
import { forgetNames } from '../groups/group-names.js';
import type { Catalog } from '../open-catalog.js';
import { rebuiltOptions } from '../sets/rebuilt-sets.js';
import { finalSetStates } from '../schema.js';
import { findSet } from '../sets/sets.js';
import { tapeRetention, type TapeContent, type TapeRetention } from './tape-retention.js';
import { transitionTape } from './tape-states.js';
import { tapeByUuid } from './tapes.js';
import type { TapeRow } from '../rows.js';

/** Rows per transaction when a set's files are deleted; all other transactions wait for it. */
const filesPerStep = 5000;

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
    await tx
      .updateTable('copies')
      .set({ state: 'erased' })
      .where('tape_uuid', '=', tape.uuid)
      .where('state', '=', 'committed')
      .execute();
    for (const set of kept.sets) await loseSet(tx, tape, set, now);
    const erasing = await transitionTape(tx, tape.uuid, 'erase', `\`tape erase ${tape.name}\` has begun`);
    if (erasing === undefined) throw new Error(`the tape ${tape.name} is ${tape.state}`);
    await tx.updateTable('tapes').set({ erased_to: erasedTo }).where('uuid', '=', tape.uuid).execute();
    return { ...erasing, erased_to: erasedTo };
  });
}

/** Throws `TapeInUse` or `TapeNeeded`, naming what needs the tape, when it must not be erased. */
export function requireErasable(kept: TapeRetention, evenUnexpired: boolean, now: number): void {
  const { name, state } = kept.tape;
  if (state === 'foreign') throw foreignTape(name);
  if (state === 'lost') {
    throw new TapeflowFailure('LostTape', `The tape ${name} is marked as lost.`, {
      advice: `If it is back, say so first: \`tapeflow tape found ${name}\`.`,
    });
  }
  if (kept.inUse.length > 0) {
    throw new TapeflowFailure(
      'TapeInUse',
      `The tape ${name} cannot be erased: ${kept.inUse.slice(0, 3).join('; ')}.`,
      { advice: 'Let it end, or cancel it.' },
    );
  }
  if (kept.until <= now || evenUnexpired) return;
  const needed = kept.sets.filter((set) => set.neededUntil > now);
  const shown = needed.slice(0, 3).map((set) => whyNeeded(set, now));
  const more = needed.length > shown.length ? `, and ${needed.length - shown.length} more` : '';
  throw new TapeflowFailure(
    'TapeNeeded',
    `The tape ${name} is not recyclable: it holds ${shown.join(', ')}${more}.`,
    { advice: `If all that may be lost, \`tapeflow tape erase ${name} --yes --even-unexpired\` erases it.` },
  );
}

/** A tape labelled by another installation is never erased. */
export function foreignTape(name: string): TapeflowFailure {
  return new TapeflowFailure(
    'ForeignTape',
    `The tape ${name} belongs to another installation: it is read, and never written to or erased.`,
    { advice: 'If that installation is gone, `tapeflow tape catalog --adopt` makes the tape one of this.' },
  );
}

function whyNeeded({ setId, expires, neededBy }: TapeContent, now: number): string {
  if (expires > now) return `set ${setId}, which has not expired`;
  return `set ${setId}, on which ${neededBy.slice(0, 3).join(', ')} ${neededBy.length === 1 ? 'builds' : 'build'}`;
}

/** Records what a set loses with a tape. */
async function loseSet(tx: Catalog, tape: TapeRow, set: TapeContent, now: number): Promise<void> {
  const { setId, archives, elsewhere } = set;
  const lost = archives - elsewhere;
  const detail = `${formatCount(archives, 'archive')} on tape ${tape.name}${elsewhere > 0 ? `, of which ${formatNumber(elsewhere)} ${elsewhere === 1 ? 'is' : 'are'} on another` : ''}`;
  await recordEvents(tx, [{ setId, group: null, stage: 'erased', bytes: set.bytes, detail }], now);
  if (lost === 0) return;
  const some = lost === 1 ? 'one of its archives was' : `${formatNumber(lost)} of its archives were`;
  const what = set.remaining === 0 ? 'its archives were' : some;
  await tx
    .updateTable('sets')
    .set({ erased_at: now, reason: `${what} erased with tape ${tape.name}` })
    .where('id', '=', setId)
    .execute();
  // With `--even-unexpired`: sets that build on it and are not on the tape lose files too.
  for (const id of set.neededBy) {
    if (!(await losesFiles(tx, id, setId, tape))) continue;
    const reason = `files that set ${setId} held for it were erased with tape ${tape.name}`;
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

/**
 * Deletes the files, groups and archives of sets that have nothing left on tape or in staging, in small transactions;
 * the sets become `expired`. The set and its events stay; if another copy turns up, `tape catalog` reads it as a set
 * known only from tapes. If killed in between, the next call continues.
 */
export async function purgeErased(catalog: Catalog): Promise<void> {
  const gone = await catalog.transaction().execute(async (tx) => {
    await tx
      .updateTable('sets')
      .set({ state: 'expired' })
      .where('erased_at', 'is not', null)
      .where('state', 'in', finalSetStates)
      .where((eb) =>
        eb.not(
          eb.or([
            eb.exists(
              eb
                .selectFrom('copies')
                .select('copy_no')
                .whereRef('copies.set_id', '=', 'sets.id')
                .where('copies.state', '=', 'committed'),
            ),
            eb.exists(
              eb
                .selectFrom('groups')
                .select('no')
                .whereRef('groups.set_id', '=', 'sets.id')
                .where('groups.reserved', '>', 0),
            ),
          ]),
        ),
      )
      .execute();
    return tx
      .selectFrom('sets')
      .select('id')
      .where('state', '=', 'expired')
      .where((eb) =>
        eb.exists(eb.selectFrom('groups').select('no').whereRef('groups.set_id', '=', 'sets.id')),
      )
      .execute();
  });
  for (const { id } of gone) {
    const groups = await catalog.selectFrom('groups').select('no').where('set_id', '=', id).execute();
    for (const { no } of groups)
      await catalog.transaction().execute(async (tx) => {
        if (await isExpired(tx, id)) await forgetNames(tx, id, no);
      });
    while (await forgetFiles(catalog, id));
    await catalog.transaction().execute(async (tx) => {
      if (!(await isExpired(tx, id))) return;
      for (const table of ['copies', 'archives', 'groups', 'end_marks'] as const)
        await tx.deleteFrom(table).where('set_id', '=', id).execute();
      const forgotten = { options: rebuiltOptions, end_marked: 0, end_facts: null };
      await tx.updateTable('sets').set(forgotten).where('id', '=', id).execute();
    });
  }
}

/** False when `tape catalog` has found a copy of the set meanwhile. */
async function isExpired(tx: Catalog, setId: string): Promise<boolean> {
  return (await findSet(tx, setId))?.state === 'expired';
}

/** Deletes the first rows of a set's files; false when there were none left. */
async function forgetFiles(catalog: Catalog, setId: string): Promise<boolean> {
  return catalog.transaction().execute(async (tx) => {
    if (!(await isExpired(tx, setId))) return false;
    const rows = await tx
      .selectFrom('files')
      .select('path')
      .where('set_id', '=', setId)
      .orderBy('path')
      .limit(filesPerStep)
      .execute();
    const last = rows.at(-1);
    if (last === undefined) return false;
    await tx.deleteFrom('files').where('set_id', '=', setId).where('path', '<=', last.path).execute();
    return true;
  });
}
