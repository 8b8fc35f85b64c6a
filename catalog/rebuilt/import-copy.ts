import { recordEvents } from '../groups/events.js';
import type { Catalog } from '../open-catalog.js';
import { recordBegun } from '../copies/begun-copies.js';
import type { ManifestFile } from './found-archive.js';

/** Adds a copy of a group's archive that was found on a tape, in the caller's transaction. */
export async function importCopy(
  tx: Catalog,
  copy: {
    setId: string;
    group: number;
    tape: { uuid: string; name: string };
    at: number;
    damage: string | null;
    beside: ManifestFile | null;
  },
): Promise<void> {
  const { setId, group, tape, at, damage, beside } = copy;
  const { manifest_sha256: ofArchive } = await tx
    .selectFrom('archives')
    .select('manifest_sha256')
    .where('set_id', '=', setId)
    .where('group_no', '=', group)
    .executeTakeFirstOrThrow();
  const isOwn = (beside?.sha256 ?? '') !== ofArchive;
  const { last } = await tx
    .selectFrom('copies')
    .select((eb) => eb.fn.max<number | null>('copy_no').as('last'))
    .where('set_id', '=', setId)
    .where('group_no', '=', group)
    .executeTakeFirstOrThrow();
  await tx
    .insertInto('copies')
    .values({
      ...{ set_id: setId, group_no: group, copy_no: (last ?? 0) + 1, tape_uuid: tape.uuid },
      ...{ state: 'committed', token: '', written_at: at, committed_at: at, damage },
      manifest_size: isOwn ? (beside?.size ?? 0) : null,
      manifest_sha256: isOwn ? (beside?.sha256 ?? '') : null,
    })
    .execute();
  await recordBegun(tx, { setId, group, tape: tape.uuid });
  await recordEvents(tx, [{ setId, group, stage: 'found_on_tape', detail: tape.name }]);
}
