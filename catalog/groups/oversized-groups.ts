import { english } from '../../messages/sentence.js';
import type { GroupState } from '../schema/group-tables.js';
import { notCompressedStates, transitionGroup } from './group-states.js';
import { layerOf, stateCode } from '../files/entry-rows.js';
import { skipGroup } from './skip-group.js';
import { groupOf, maxArchiveBytes } from './groups.js';
import type { GroupRow } from '../rows.js';
import type { Catalog } from '../open-catalog.js';
import { setNamed } from '../sets/sets.js';

/** How to shrink a group whose archive fits no tape. */
export interface OversizedGroup {
  setId: string;
  group: number;
  /** Bytes of the largest archive that fits. */
  limit: number;
  /** Actual or estimated bytes of the archive. */
  needs: number;
  /** The reason for skipping a file that is alone in its group, and for leaving one out of a group with others. */
  reasons: { alone: string; amongOthers: string };
}

/**
 * Shrinks a group whose archive fits no tape: a group of one entry is skipped; otherwise its largest files are left
 * out, at least one, until the rest fits even uncompressed.
 *
 * @returns the outcome; `stuck` when nothing can be left out, or the group has an archive or is parked: nothing was
 *   changed.
 */
export async function shrinkGroup(
  catalog: Catalog,
  leaving: OversizedGroup,
): Promise<'skipped' | 'smaller' | 'stuck'> {
  const { setId, group: no, needs, reasons } = leaving;
  return catalog.transaction().execute(async (tx) => {
    const group = await groupOf(tx, setId, no);
    if (group.state === 'skipped') return 'skipped';
    if (!notCompressedStates.includes(group.state)) return 'stuck';
    if (group.entries > 1) return (await leaveOutLargest(tx, group, leaving)) ? 'smaller' : 'stuck';
    await skipGroup(tx, group, reasons.alone, needs);
    return 'skipped';
  });
}

/**
 * Marks the largest files of a group as skipped until the rest fits, and corrects the group's bytes; false: it has no
 * files.
 */
async function leaveOutLargest(
  tx: Catalog,
  group: GroupRow,
  { limit, reasons }: OversizedGroup,
): Promise<boolean> {
  const files = await tx
    .selectFrom('files')
    .select(['path', 'dev', 'ino', 'nlink'])
    .select((eb) => eb.fn.coalesce('stored_size', 'size').as('size'))
    .where('set_id', '=', group.set_id)
    .where('path', '>=', group.first_path)
    .where('path', '<=', group.last_path)
    .where('type', '=', 'file')
    .where('state', '=', 'planned')
    .orderBy('size', 'desc')
    .execute();
  // Hard-linked content is stored once, and is left out only when all its names are.
  const contents = new Map<string, { size: number; paths: Uint8Array[] }>();
  for (const { path, size, dev, ino, nlink } of files) {
    const key = nlink > 1 ? `${dev}:${ino}` : `${contents.size}`;
    const content = contents.get(key);
    if (content === undefined) contents.set(key, { size, paths: [path] });
    else content.paths.push(path);
  }
  let bytes = [...contents.values()].reduce((sum, { size }) => sum + size, 0);
  let left = 0;
  for (const { size, paths } of contents.values()) {
    if (left > 0 && maxArchiveBytes({ bytes, entries: group.entries }) <= limit) break;
    bytes -= size;
    left += paths.length;
    for (const path of paths)
      await tx
        .updateTable('entries')
        .set({ state: stateCode('skipped'), reason: reasons.amongOthers })
        .where('layer', '=', layerOf(group.set_id))
        .where('path', '=', path)
        .execute();
  }
  await tx
    .updateTable('groups')
    .set({ bytes })
    .where('set_id', '=', group.set_id)
    .where('no', '=', group.no)
    .execute();
  return left > 0;
}

/**
 * Groups that were skipped because of their size and that fit a tape of that many bytes; and the bytes that the
 * smallest of the others needs.
 */
export async function skippedForSize(
  db: Catalog,
  setId: string,
  limit: number,
): Promise<{ groups: GroupRow[]; needs: number | undefined }> {
  const rows = await db
    .selectFrom('groups')
    .selectAll()
    .where('set_id', '=', setId)
    .where('state', '=', 'skipped')
    .where('needs', 'is not', null)
    .orderBy('no')
    .execute();
  const groups = rows.filter((row) => (row.needs ?? Infinity) <= limit);
  const others = rows.filter((row) => !groups.includes(row)).map((row) => row.needs ?? 0);
  return { groups, needs: others.length === 0 ? undefined : Math.min(...others) };
}

/**
 * Queues the groups that were skipped because of their size and that fit now for compression again; returns their
 * numbers. They keep `needs`, by which `undoRequeue` finds them.
 */
export async function requeueSkipped(catalog: Catalog, setId: string, limit: number): Promise<number[]> {
  return catalog.transaction().execute(async (tx) => {
    const { groups } = await skippedForSize(tx, setId, limit);
    for (const { no, first_path: first, last_path: last, reason } of groups) {
      await tx
        .updateTable('entries')
        .set({ state: stateCode('planned'), reason: null })
        .where('layer', '=', layerOf(setId))
        .where('path', '>=', first)
        .where('path', '<=', last)
        .where('state', '=', stateCode('skipped'))
        .where('reason', '=', reason)
        .execute();
      await transitionGroup(tx, setId, no, 'startOver');
    }
    return groups.map((group) => group.no);
  });
}

/**
 * Skips the groups again that `requeueSkipped` has queued and of which nothing is staged or on tape: a set that was
 * complete before its `retry` is complete again when that is cancelled.
 *
 * @returns true when the set is complete now; false: something else is unfinished too, or no group was queued again,
 *   and nothing was changed.
 */
export async function undoRequeue(catalog: Catalog, setId: string): Promise<boolean> {
  const undoable: readonly GroupState[] = [...notCompressedStates, 'failed'];
  return catalog.transaction().execute(async (tx) => {
    if ((await setNamed(tx, setId)).scanned === 0) return false;
    const rows = await tx
      .selectFrom('groups')
      .leftJoin('archives', (join) =>
        join.onRef('archives.set_id', '=', 'groups.set_id').onRef('archives.group_no', '=', 'groups.no'),
      )
      .selectAll('groups')
      .select('archives.token as archive')
      .where('groups.set_id', '=', setId)
      .where('state', '!=', 'skipped')
      .execute();
    if (!rows.some(({ needs }) => needs !== null)) return false;
    const unfinished = rows.filter(({ state }) => state !== 'released');
    const isTakenUp = ({ needs, archive, state }: (typeof rows)[number]) =>
      needs !== null && archive === null && undoable.includes(state);
    if (!unfinished.every(isTakenUp)) return false;
    for (const group of unfinished) {
      const reason = english`it was too large for every tape before, and its \`retry\` was
          cancelled: \`tapeflow retry ${setId}\` resumes it`;
      await skipGroup(tx, group, reason, group.needs);
    }
    return true;
  });
}
