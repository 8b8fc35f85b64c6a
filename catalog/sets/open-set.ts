import { randomUUID } from 'node:crypto';
import { clauses } from '../../messages/joined.js';
import { english } from '../../messages/sentence.js';
import { usageFailure } from '../../config/failures.js';
import type { Catalog } from '../open-catalog.js';
import type { SetRow } from '../rows.js';
import { finalSetStates } from '../schema/set-tables.js';
import { placesText } from './copy-places.js';
import { baseFor } from './set-base.js';
import { isOfHost } from './set-host.js';
import { differencesFrom, type NewSet, placesWanted } from './set-differences.js';
import { recipientsText } from './recipients.js';
import { takenText } from './taken-options.js';
import { monthOf, nextSetId } from './set-id.js';
import { insertList } from './set-lists.js';
import { findSet } from './sets.js';

/** What `openSet` made or found. */
export interface OpenedSet {
  set: SetRow;
  attached: boolean;
  /** Why a new set does not build on the newest set, or on none; see `SetBase`. */
  note: string | undefined;
  /** Unfinished sets of the same sources that differ from what was requested, newest first, with the differences. */
  others: { id: string; differs: string[] }[];
}

/**
 * Creates a set, or finds an unfinished one with the same arguments (unless `fresh`). Both happen in one transaction,
 * so that two simultaneous commands get one set if they ask for the same, and two otherwise. A set that finds no base
 * becomes a full one.
 */
export async function openSet(
  catalog: Catalog,
  wanted: NewSet,
  options: { fresh: boolean; now?: Date },
): Promise<OpenedSet> {
  return catalog.transaction().execute(async (tx) => {
    const sources = JSON.stringify(wanted.sources);
    const found = (set: SetRow): OpenedSet => ({ set, attached: true, note: undefined, others: [] });
    if (wanted.madeBy !== undefined) {
      const made = await tx
        .selectFrom('sets')
        .selectAll()
        .where('made_by', '=', wanted.madeBy)
        .executeTakeFirst();
      if (made !== undefined) return found(made);
    }
    const unfinished = await unfinishedSetsLike(tx, wanted);
    const others = unfinished.filter(({ differs }) => differs.length > 0);
    if (wanted.id !== undefined) {
      const existing = await findSet(tx, wanted.id);
      if (existing !== undefined) return found(await allowing(tx, attachable(existing, wanted), wanted));
    } else if (!options.fresh) {
      const same = unfinished.find(({ differs }) => differs.length === 0);
      if (same !== undefined) return found(await allowing(tx, same.set, wanted));
    }
    const now = options.now ?? new Date();
    const id = wanted.id ?? (await nextSetId(tx, monthOf(now)));
    const pools = placesWanted(wanted).map(({ pool }) => pool);
    const recipients = recipientsText(wanted.recipients);
    const like = { sources, host: wanted.host ?? null, recipients };
    const base = await baseFor(tx, wanted.mode, like, pools);
    const set = await tx
      .insertInto('sets')
      .values({
        id,
        uuid: randomUUID(),
        state: 'scanning',
        host: wanted.host ?? null,
        sources,
        excludes: JSON.stringify(wanted.excludes),
        pool: wanted.pool,
        drive: wanted.drive,
        places: placesText(wanted.places ?? []),
        mode: base.id === undefined ? 'full' : wanted.mode,
        asked_mode: wanted.mode,
        made_by: wanted.madeBy ?? null,
        base_id: base.id ?? null,
        direct: wanted.direct ? 1 : 0,
        recipients,
        options: JSON.stringify(wanted.options),
        scanned: 0,
        left_out: '[]',
        taken: takenText(wanted.taken),
        allow_shrunk: wanted.allowShrunk === true ? 1 : 0,
        hook: wanted.hook ?? null,
        created_at: now.getTime(),
      })
      .returningAll()
      .executeTakeFirstOrThrow();
    if (wanted.list !== undefined) await insertList(tx, id, wanted.list);
    const ids = others.map(({ set: { id }, differs }) => ({ id, differs }));
    return { set, attached: false, note: base.note, others: ids };
  });
}

/** A set that is attached to, which from now on allows what the command does. */
async function allowing(tx: Catalog, set: SetRow, { allowShrunk }: NewSet): Promise<SetRow> {
  if (allowShrunk !== true || set.allow_shrunk === 1) return set;
  await tx.updateTable('sets').set({ allow_shrunk: 1 }).where('id', '=', set.id).execute();
  return { ...set, allow_shrunk: 1 };
}

/** The unfinished sets of the same sources, newest first, and how each differs from what is wanted. */
export async function unfinishedSetsLike(
  db: Catalog,
  wanted: NewSet,
): Promise<{ set: SetRow; differs: string[] }[]> {
  const sets = await db
    .selectFrom('sets')
    .selectAll()
    .where('state', 'not in', finalSetStates)
    .where('sources', '=', JSON.stringify(wanted.sources))
    .where(isOfHost(wanted.host ?? null))
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .execute();
  return sets.map((set) => ({ set, differs: differencesFrom(set, wanted) }));
}

function attachable(set: SetRow, wanted: NewSet): SetRow {
  if (finalSetStates.includes(set.state)) {
    throw usageFailure(
      'SetExists',
      english`The set ${set.id} exists and is ${set.state}.`,
      english`Leave --set out to start the next one.`,
    );
  }
  if (set.sources !== JSON.stringify(wanted.sources) || set.host !== (wanted.host ?? null)) {
    const { id, host, sources } = set;
    throw usageFailure(
      'SetExists',
      host === null
        ? english`The set ${id} exists with other sources: ${sources}.`
        : english`The set ${id} exists with other sources of host ${host}: ${sources}.`,
      english`Leave --set out.`,
    );
  }
  const differs = differencesFrom(set, wanted);
  if (differs.length > 0)
    throw usageFailure(
      'SetExists',
      english`The set ${set.id} exists and is another one:
        ${clauses(differs)}.`,
      english`Leave --set out.`,
    );
  return set;
}
