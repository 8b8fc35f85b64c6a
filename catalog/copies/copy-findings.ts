import type { Catalog } from '../open-catalog.js';
import type { CopyRow } from '../rows.js';

type CopyOf = Pick<CopyRow, 'set_id' | 'group_no' | 'copy_no'>;

/**
 * Records what is wrong with a copy: it is then read only if there is no better one. Null when it turned out to be
 * intact.
 */
export async function noteDamage(tx: Catalog, copy: CopyOf, damage: string | null): Promise<void> {
  await tx
    .updateTable('copies')
    .set({ damage })
    .where('set_id', '=', copy.set_id)
    .where('group_no', '=', copy.group_no)
    .where('copy_no', '=', copy.copy_no)
    .execute();
}

/** Records that a copy's manifest is no longer on its tape. */
export async function noteNoManifest(db: Catalog, copy: CopyOf): Promise<void> {
  await db
    .updateTable('copies')
    .set({ manifest_size: 0, manifest_sha256: '' })
    .where('set_id', '=', copy.set_id)
    .where('group_no', '=', copy.group_no)
    .where('copy_no', '=', copy.copy_no)
    .execute();
}

/** Records that a copy was read back completely and compared; `damage` says what is wrong with it. */
export async function recordVerified(db: Catalog, copy: CopyOf, damage: string | null): Promise<void> {
  await db
    .updateTable('copies')
    .set({ verified_at: Date.now(), damage })
    .where('set_id', '=', copy.set_id)
    .where('group_no', '=', copy.group_no)
    .where('copy_no', '=', copy.copy_no)
    .execute();
}

/** True when some copy of a group, in any state, has no known damage. */
export async function hasUndamagedCopy(db: Catalog, setId: string, group: number): Promise<boolean> {
  const copy = await db
    .selectFrom('copies')
    .select('copy_no')
    .where('set_id', '=', setId)
    .where('group_no', '=', group)
    .where('damage', 'is', null)
    .executeTakeFirst();
  return copy !== undefined;
}
