import { type Insertable, sql } from 'kysely';
import { attributesJson, type Attributes } from '../../entry/attributes.js';
import { toBytes } from '../../entry/byte-string.js';
import { transitionGroup } from '../groups/group-states.js';
import { requireCompressing } from '../groups/group-owner.js';
import type { ArchivesTable } from '../schema/group-tables.js';
import type { Catalog } from '../open-catalog.js';
import { executeMany } from '../execute-many.js';
import { hashBytes, layerFor, stateCode } from './entry-rows.js';

/** The result of packing one file. */
export interface PackedFile {
  path: string;
  size: number;
  /** See `PackedMember`. */
  storedSize?: number | undefined;
  sha256: string | null;
  tarOffset: number | null;
  /** What it has now, also when its content is an earlier one's. */
  attributes?: Attributes | undefined;
  /** Set when the content is not exactly what the source had. */
  reason: string | null;
  /** `unchanged`: it is what an earlier archive holds, and was not stored again. */
  state: 'packed' | 'skipped' | 'unchanged';
  /** Of an unchanged file: the archive that holds it, and what it is a link to there. */
  held?: { set: string; group: number; linkTarget: string | null };
  /** Attributes as stored, which may be newer than what the scan saw; null if not stored. */
  now: { mtimeS: number; mtimeNs: number; linkTarget: string | null } | null;
}

/**
 * Commits a compressed archive: its row, the result for each file, and the group's state, in one transaction that only
 * the attempt with the current token may make.
 *
 * @param reserved bytes of staging that the group holds from now on.
 */
export async function commitCompressed(
  catalog: Catalog,
  archive: Insertable<ArchivesTable>,
  files: readonly PackedFile[],
  options: { reserved: number; ms: number; detail: string },
): Promise<void> {
  const { set_id: setId, group_no: no } = archive;
  await catalog.transaction().execute(async (tx) => {
    await requireCompressing(tx, setId, no, archive.token);
    await tx.deleteFrom('archives').where('set_id', '=', setId).where('group_no', '=', no).execute();
    await tx.insertInto('archives').values(archive).execute();
    const update = tx
      .updateTable('entries')
      .set({
        size: 0,
        stored_size: 0,
        sha256: new Uint8Array(),
        tar_offset: 0,
        state: 0,
        reason: '',
        attributes: '',
      })
      .set((eb) => ({
        // One that is the same as the mtime is not written out.
        ctime_s: sql<number | null>`case when ${0} = 1 then coalesce(ctime_s, mtime_s) else ctime_s end`,
        ctime_ns: sql<number | null>`case when ${0} = 1 then coalesce(ctime_ns, mtime_ns) else ctime_ns end`,
        mtime_s: eb.fn.coalesce(eb.val(0), 'mtime_s'),
        mtime_ns: eb.fn.coalesce(eb.val(0), 'mtime_ns'),
        // As stored, even if it is no longer a link; if not stored, as the scan saw it.
        link_target: sql<Uint8Array | null>`case when ${0} = 1 then ${new Uint8Array()} else link_target end`,
      }))
      .where('layer', '=', 0)
      .where('path', '=', new Uint8Array())
      .compile();
    const layer = await layerFor(tx, setId);
    await executeMany(tx, update, packedParameters(layer, files));
    await recordUnchanged(tx, { setId, no, layer }, files);
    const { reserved, ...event } = options;
    await transitionGroup(tx, setId, no, 'compress', { reserved }, [
      { stage: 'compressed', bytes: archive.size, ...event },
    ]);
  });
}

/** The parameters of `commitCompressed`'s update, for each file. */
function* packedParameters(layer: number, files: Iterable<PackedFile>): Generator<unknown[]> {
  for (const file of files) {
    const { now } = file;
    if (file.held !== undefined) continue;
    yield [
      file.size,
      file.storedSize ?? null,
      hashBytes(file.sha256),
      file.tarOffset,
      stateCode(file.state),
      file.reason,
      attributesJson(file.attributes),
      now === null ? 0 : 1,
      now === null ? 0 : 1,
      now?.mtimeS ?? null,
      now?.mtimeNs ?? null,
      now === null ? 0 : 1,
      typeof now?.linkTarget === 'string' ? toBytes(now.linkTarget) : null,
      layer,
      toBytes(file.path),
    ];
  }
}

/** Files that packing found to be what an earlier archive holds; their rows keep what the scan saw of them. */
async function recordUnchanged(
  tx: Catalog,
  { setId, no, layer }: { setId: string; no: number; layer: number },
  files: readonly PackedFile[],
): Promise<void> {
  const unchanged = files.filter(({ held }) => held !== undefined);
  if (unchanged.length === 0) return;
  const update = tx
    .updateTable('entries')
    .set({ state: 0, reason: null, sha256: new Uint8Array(), tar_offset: 0, held_layer: 0, held_group: 0 })
    .set({ link_target: new Uint8Array(), stored_size: 0, attributes: '' })
    .where('layer', '=', 0)
    .where('path', '=', new Uint8Array())
    .compile();
  const holders = new Map<string, number>();
  for (const { held } of unchanged)
    if (held !== undefined && !holders.has(held.set)) holders.set(held.set, await layerFor(tx, held.set));
  const parameters = unchanged.map(({ path, storedSize, sha256, tarOffset, held, attributes }) => [
    ...[stateCode('unchanged'), null, hashBytes(sha256), tarOffset],
    ...[holders.get(held?.set ?? ''), held?.group],
    held?.linkTarget == null ? null : toBytes(held.linkTarget),
    storedSize ?? null,
    attributesJson(attributes),
    ...[layer, toBytes(path)],
  ]);
  await executeMany(tx, update, parameters);
  await tx
    .updateTable('groups')
    .set((eb) => ({ unchanged: eb('unchanged', '+', unchanged.length) }))
    .where('set_id', '=', setId)
    .where('no', '=', no)
    .execute();
}
