import type { GroupRow, ArchiveRow } from '../rows.js';
import { TapeflowFailure } from '../../config/failures.js';
import { isLaterAttempt, staleAttempt } from './attempt-tokens.js';
import { stagedByCopies, stagedBySets } from './staging-budget.js';
import { recordEvents, type GroupEvent } from './events.js';
import type { Catalog } from '../open-catalog.js';
import type { GroupState } from '../schema.js';
import { tapesOfGroup } from '../tapes/tapes.js';

/** Bytes of an archive with its manifest. */
export function bytesWithManifest({
  size,
  manifest_size,
}: Pick<ArchiveRow, 'size' | 'manifest_size'>): number {
  return size + manifest_size;
}

/**
 * What each entry adds to an archive if nothing compresses: a pax header of two records for times in nanoseconds, the
 * tar header, and padding.
 */
const bytesPerEntry = 2048;

/** Upper bound for the bytes of a group's archive. */
export function maxArchiveBytes({ bytes, entries }: Pick<GroupRow, 'bytes' | 'entries'>): number {
  return bytes + entries * bytesPerEntry;
}

/** Group states before the archive is compressed. */
export const notCompressedStates: readonly GroupState[] = ['planned', 'compressing'];

/** The group; throws a permanent failure when the catalog does not know it. */
export async function groupOf(db: Catalog, setId: string, no: number): Promise<GroupRow> {
  const row = await db
    .selectFrom('groups')
    .selectAll()
    .where('set_id', '=', setId)
    .where('no', '=', no)
    .executeTakeFirst();
  if (row === undefined)
    throw new TapeflowFailure('NoSuchGroup', `The catalog has no group ${no} of set ${setId}.`);
  return row;
}

/** The archive of a group, once it is compressed. */
export async function archiveOf(db: Catalog, setId: string, no: number): Promise<ArchiveRow | undefined> {
  return db
    .selectFrom('archives')
    .selectAll()
    .where('set_id', '=', setId)
    .where('group_no', '=', no)
    .executeTakeFirst();
}

/** The archive of a group; throws a transient failure when it is not compressed yet. */
export async function requireArchive(db: Catalog, setId: string, no: number): Promise<ArchiveRow> {
  const archive = await archiveOf(db, setId, no);
  if (archive !== undefined) return archive;
  throw new TapeflowFailure('NotCompressed', `Group ${no} of set ${setId} has no archive yet.`, {
    kind: 'transient',
  });
}

/** Closed groups after `afterNo`, in order, and whether the scan has ended; the workflow pages through them. */
export async function closedGroups(
  db: Catalog,
  setId: string,
  afterNo: number,
  limit: number,
): Promise<{ groups: GroupRow[]; scanned: boolean }> {
  // The set is read first: when it says `scanned`, every group was already there.
  const set = await db.selectFrom('sets').select('scanned').where('id', '=', setId).executeTakeFirstOrThrow();
  const groups = await db
    .selectFrom('groups')
    .selectAll()
    .where('set_id', '=', setId)
    .where('no', '>', afterNo)
    .where('state', '!=', 'open')
    .orderBy('no')
    .limit(limit)
    .execute();
  return { groups, scanned: set.scanned === 1 };
}

/** True when that many bytes of a group fit the budget besides what all others hold. */
export async function fitsBudget(
  db: Catalog,
  ref: { setId: string; group: number },
  bytes: number,
  budget: number,
): Promise<boolean> {
  return (await stagedBySets(db, ref)) + (await stagedByCopies(db)) + bytes <= budget;
}

/**
 * Assigns the group to one attempt, like `beginCompressing`, and reserves staging if that fits the budget: the sum over
 * all groups of unfinished sets and unfinished copies from tape to tape. Parked and cancelled archives do not count, or
 * they would block every other set for good.
 *
 * @returns `full` when it does not fit now, `done` when the group is past this step; in both cases nothing was changed.
 */
export async function reserveAndBegin(
  catalog: Catalog,
  { setId, group, token }: { setId: string; group: number; token: string },
  bytes: number,
  budget: number,
): Promise<'begun' | 'full' | 'done'> {
  return catalog.transaction().execute(async (tx) => {
    if (!(await fitsBudget(tx, { setId, group }, bytes, budget))) return 'full';
    return (await begin(tx, setId, group, { token, reserved: bytes })) ? 'begun' : 'done';
  });
}

/**
 * Assigns the group to one attempt: from now on only `token` may publish its archive. Returns false if it is past this
 * step.
 */
export async function beginCompressing(
  catalog: Catalog,
  setId: string,
  no: number,
  token: string,
): Promise<boolean> {
  return catalog.transaction().execute((tx) => begin(tx, setId, no, { token }));
}

async function begin(
  tx: Catalog,
  setId: string,
  no: number,
  taken: { token: string; reserved?: number },
): Promise<boolean> {
  const owner = await tx
    .selectFrom('groups')
    .select('token')
    .where('set_id', '=', setId)
    .where('no', '=', no)
    .executeTakeFirst();
  // A delayed start from a stopped process must not take the group from a later attempt.
  if (isLaterAttempt(owner?.token ?? '', taken.token)) return false;
  const result = await tx
    .updateTable('groups')
    .set({ state: 'compressing', reason: null, ...taken })
    .where('set_id', '=', setId)
    .where('no', '=', no)
    .where('state', 'in', notCompressedStates)
    .executeTakeFirst();
  if (result.numUpdatedRows === 0n) return false;
  await recordEvents(tx, [{ setId, group: no, stage: 'compressing', detail: taken.token }]);
  return true;
}

/**
 * Throws `StaleAttempt` when another attempt has taken over the group or it was parked, so that nobody compresses it.
 */
export async function requireCompressing(
  db: Catalog,
  setId: string,
  no: number,
  token: string,
): Promise<void> {
  const row = await groupOf(db, setId, no);
  if (row.token !== token || row.state !== 'compressing') throw staleAttempt(setId, no);
}

/**
 * Renames or deletes a group's staged files while no other attempt can take over: in a transaction, which holds the
 * catalog's write lock, and only if the group is in `state` with the attempt's token. Staged files have the same name
 * in every attempt, so a process that was stopped before such a call must not reach a later attempt's files.
 *
 * @param act synchronous and short: every other transaction waits for it.
 * @returns false when the group no longer belongs to the attempt; then nothing was done.
 */
export async function whileOwned(
  catalog: Catalog,
  owner: { setId: string; group: number; token: string; state: GroupState },
  act: () => void,
): Promise<boolean> {
  return catalog.transaction().execute(async (tx) => {
    const row = await groupOf(tx, owner.setId, owner.group);
    if (row.token !== owner.token || row.state !== owner.state) return false;
    act();
    return true;
  });
}

/**
 * Moves a group to its next state if it is in one of the states `from`, and records the events in the same transaction.
 * A released group frees its staging reservation.
 * @returns false when the group was not in such a state: the step was done before.
 */
export async function advanceGroup(
  catalog: Catalog,
  setId: string,
  no: number,
  from: readonly GroupState[],
  to: GroupState,
  ...events: Omit<GroupEvent, 'setId' | 'group'>[]
): Promise<boolean> {
  return catalog.transaction().execute((tx) => advance(tx, setId, no, from, to, events));
}

/** Bytes of archives that one transaction deletes; all other transactions wait for it. */
const releasedAtOnce = 1024 ** 3;

/**
 * Deletes the staged archives of committed groups, and moves these on to `released`. Checks in the same transaction
 * that they are committed, since a tape may be marked as lost at any time, and then the staged bytes are the only ones.
 *
 * @param remove deletes staged archives; synchronous and short, and they may be gone already.
 * @returns the groups that this released.
 */
export async function releaseGroups(
  catalog: Catalog,
  setId: string,
  groups: readonly number[],
  remove: (archives: readonly ArchiveRow[]) => void,
): Promise<{ group: number; archive: ArchiveRow }[]> {
  const released: { group: number; archive: ArchiveRow }[] = [];
  for (let next = 0; next < groups.length;) {
    await catalog.transaction().execute(async (tx) => {
      const archives: ArchiveRow[] = [];
      for (let bytes = 0; next < groups.length && bytes < releasedAtOnce; next += 1) {
        const group = groups[next] as number;
        const { state, direct } = await groupOf(tx, setId, group);
        if (state !== 'committed') continue;
        const archive = await requireArchive(tx, setId, group);
        if (direct === 0) archives.push(archive);
        bytes += bytesWithManifest(archive);
        await advance(tx, setId, group, ['committed'], 'released', [
          { stage: 'released', bytes: archive.size },
        ]);
        released.push({ group, archive });
      }
      remove(archives);
    });
  }
  return released;
}

/** The same in the caller's transaction. */
export async function advance(
  tx: Catalog,
  setId: string,
  no: number,
  from: readonly GroupState[],
  to: GroupState,
  events: readonly Omit<GroupEvent, 'setId' | 'group'>[],
): Promise<boolean> {
  const result = await tx
    .updateTable('groups')
    // In the same commit: a kill in between would leave the bytes reserved as long as the set runs.
    .set(to === 'released' ? { state: to, reserved: 0 } : { state: to })
    .where('set_id', '=', setId)
    .where('no', '=', no)
    .where('state', 'in', from)
    .executeTakeFirst();
  if (result.numUpdatedRows === 0n) return false;
  const rows = events.map((event) => ({ setId, group: no, ...event }));
  await recordEvents(tx, rows);
  return true;
}

/** Parks a group with the stage and the reason; what is staged stays. */
export async function parkGroup(
  catalog: Catalog,
  setId: string,
  no: number,
  stage: string,
  reason: string,
): Promise<void> {
  await catalog.transaction().execute(async (tx) => {
    const result = await tx
      .updateTable('groups')
      .set({ state: 'failed', reason: `${stage}: ${reason}` })
      .where('set_id', '=', setId)
      .where('no', '=', no)
      .where('state', 'not in', ['failed', 'committed', 'released', 'skipped'])
      .executeTakeFirst();
    if (result.numUpdatedRows === 0n) return;
    await recordEvents(tx, [{ setId, group: no, stage: 'failed', detail: `${stage}: ${reason}` }]);
  });
}

/** Puts every parked group back to work: to be written if it has an archive, or else to be compressed. */
export async function unparkGroups(catalog: Catalog, setId: string): Promise<number[]> {
  return catalog.transaction().execute(async (tx) => {
    const parked = await tx
      .selectFrom('groups')
      .leftJoin('archives', (join) =>
        join.onRef('archives.set_id', '=', 'groups.set_id').onRef('archives.group_no', '=', 'groups.no'),
      )
      .select(['groups.no', 'archives.token'])
      .where('groups.set_id', '=', setId)
      .where('groups.state', '=', 'failed')
      .orderBy('groups.no')
      .execute();
    for (const { no, token } of parked) {
      await tx
        .updateTable('groups')
        .set({ state: token === null ? 'planned' : 'compressed', reason: null })
        .where('set_id', '=', setId)
        .where('no', '=', no)
        .execute();
    }
    return parked.map((row) => row.no);
  });
}

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
  // The row is kept, since it proves that files of these names on that tape are ours to replace.
  await tx
    .updateTable('copies')
    // If a lost tape is found again, it holds a different archive.
    .set({ state: 'lost', committed_at: null })
    .where('set_id', '=', setId)
    .where('group_no', '=', no)
    .where('state', '!=', 'committed')
    .execute();
  // Entries that packing skipped are tried again; those that the scan could not read (never plain files) stay skipped.
  await tx
    .updateTable('files')
    .set({ state: 'planned', reason: null, sha256: null, tar_offset: null })
    .where('set_id', '=', setId)
    .where('path', '>=', group.first_path)
    .where('path', '<=', group.last_path)
    .where('type', '=', 'file')
    // An earlier archive holds it.
    .where('state', '!=', 'unchanged')
    .execute();
  // A parked group stays parked, with its reason, until someone retries it.
  const state = group.state === 'failed' ? 'failed' : 'planned';
  await tx
    .updateTable('groups')
    .set({ state, token: null })
    .where('set_id', '=', setId)
    .where('no', '=', no)
    .execute();
  await recordEvents(tx, [{ setId, group: no, stage: 'lost', detail: reason }]);
}

async function requireNoCommittedCopy(tx: Catalog, setId: string, no: number, reason: string): Promise<void> {
  const [tape] = await tapesOfGroup(tx, setId, no);
  if (tape === undefined) return;
  throw new TapeflowFailure(
    'StagedArchiveGone',
    `The staged archive of group ${no} cannot be used any more (${reason.replace(/\.$/, '')}), and only tape ${tape} holds it.`,
    { advice: `\`tapeflow tape copy ${setId} --pool POOL\` makes the missing copy from that tape.` },
  );
}
