import type { Catalog } from '../../open-catalog.js';
import type { PlannedArchive } from '../retrievals.js';

/** A copy of an archive, with what is in it and the pool of its tape. */
export interface CopyOnTape {
  set_id: string;
  group_no: number;
  copy_no: number;
  tape_uuid: string;
  committed_at: number | null;
  /** When it was last read back; null: not since it was written. */
  verified_at: number | null;
  members: number;
  bytes_in: number;
  state: string;
  damage: string | null;
  /** SHA-256 of its manifest; empty when its tape is known to have none. */
  manifest: string;
  /** Of its tape. */
  pool: string;
  tape_state: string;
}

/** Copies of a set, of one of its groups, or on a tape: only committed ones, or in any state. */
export async function committedCopies(
  db: Catalog,
  what: { setId: string; group?: number } | { tape: string },
  states: 'committed' | 'any' = 'committed',
): Promise<CopyOnTape[]> {
  let query = db
    .selectFrom('copies')
    .innerJoin('archives', (join) =>
      join.onRef('archives.set_id', '=', 'copies.set_id').onRef('archives.group_no', '=', 'copies.group_no'),
    )
    .innerJoin('tapes', 'tapes.uuid', 'copies.tape_uuid')
    .select([
      'copies.set_id',
      'copies.group_no',
      'copies.copy_no',
      'copies.tape_uuid',
      'copies.committed_at',
      'copies.verified_at',
      'archives.members',
      'archives.bytes_in',
      'copies.state',
      'copies.damage',
      'tapes.pool',
      'tapes.state as tape_state',
    ])
    .select((eb) => eb.fn.coalesce('copies.manifest_sha256', 'archives.manifest_sha256').as('manifest'))
    .orderBy('copies.set_id')
    .orderBy('copies.group_no')
    .orderBy('copies.copy_no');
  if (states === 'committed') query = query.where('copies.state', '=', 'committed');
  if ('tape' in what) return query.where('copies.tape_uuid', '=', what.tape).execute();
  if (what.group !== undefined) query = query.where('copies.group_no', '=', what.group);
  return query.where('copies.set_id', '=', what.setId).execute();
}

/** Ordered by tape: loaded tapes first, then in the order the set used them; within a tape in writing order. */
export function inTapeOrder(copies: readonly CopyOnTape[], loaded: readonly string[] = []): CopyOnTape[] {
  const tapes = [...new Set(copies.map((copy) => copy.tape_uuid))];
  tapes.sort((a, b) => Number(loaded.includes(b)) - Number(loaded.includes(a)));
  return [...copies].sort(
    (a, b) =>
      tapes.indexOf(a.tape_uuid) - tapes.indexOf(b.tape_uuid) ||
      (a.committed_at ?? 0) - (b.committed_at ?? 0) ||
      (a.set_id < b.set_id ? -1 : a.set_id > b.set_id ? 1 : a.group_no - b.group_no),
  );
}

/** A copy that a retrieval reads; `wanted`: only a part of it. */
export function plannedOf(copy: CopyOnTape, wanted?: { members: number; bytes: number }): PlannedArchive {
  return {
    setId: copy.set_id,
    group: copy.group_no,
    copyNo: copy.copy_no,
    tape: copy.tape_uuid,
    members: wanted?.members ?? copy.members,
    bytes: wanted?.bytes ?? copy.bytes_in,
  };
}
