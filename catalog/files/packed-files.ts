import { type Insertable, sql } from 'kysely';
import { toBytes } from '../../entry/byte-string.js';
import { transitionGroup } from '../groups/group-states.js';
import { requireCompressing } from '../groups/group-owner.js';
import type { ArchivesTable } from '../schema/group-tables.js';
import type { Catalog } from '../open-catalog.js';
import { executeMany } from '../sqlite/connection.js';

/** The result of packing one file. */
export interface PackedFile {
  path: string;
  size: number;
  sha256: string | null;
  tarOffset: number | null;
  /** Set when the content is not exactly what the source had. */
  reason: string | null;
  state: 'packed' | 'skipped';
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
  files: Iterable<PackedFile>,
  options: { reserved: number; ms: number; detail: string },
): Promise<void> {
  const { set_id: setId, group_no: no } = archive;
  await catalog.transaction().execute(async (tx) => {
    await requireCompressing(tx, setId, no, archive.token);
    await tx.deleteFrom('archives').where('set_id', '=', setId).where('group_no', '=', no).execute();
    await tx.insertInto('archives').values(archive).execute();
    const update = tx
      .updateTable('files')
      .set({ size: 0, sha256: '', tar_offset: 0, state: 'packed', reason: '' })
      .set((eb) => ({
        mtime_s: eb.fn.coalesce(eb.val(0), 'mtime_s'),
        mtime_ns: eb.fn.coalesce(eb.val(0), 'mtime_ns'),
        // As stored, even if it is no longer a link; if not stored, as the scan saw it.
        link_target: sql<Uint8Array | null>`iif(${0}, ${new Uint8Array()}, link_target)`,
      }))
      .where('set_id', '=', setId)
      .where('path', '=', new Uint8Array())
      .compile();
    await executeMany(tx, update, packedParameters(setId, files));
    const { reserved, ...event } = options;
    await transitionGroup(tx, setId, no, 'compress', { reserved }, [
      { stage: 'compressed', bytes: archive.size, ...event },
    ]);
  });
}

/** The parameters of `commitCompressed`'s update, for each file. */
function* packedParameters(setId: string, files: Iterable<PackedFile>): Generator<unknown[]> {
  for (const file of files) {
    const { now } = file;
    yield [
      file.size,
      file.sha256,
      file.tarOffset,
      file.state,
      file.reason,
      now?.mtimeS ?? null,
      now?.mtimeNs ?? null,
      now === null ? 0 : 1,
      typeof now?.linkTarget === 'string' ? toBytes(now.linkTarget) : null,
      setId,
      toBytes(file.path),
    ];
  }
}
