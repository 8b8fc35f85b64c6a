import type { FileRow, GroupRow } from '../rows.js';
import { sql, type Insertable } from 'kysely';
import { executeMany } from '../connection.js';
import { recordEvents } from '../groups/events.js';
import { notCompressedStates, groupOf, requireCompressing } from '../groups/groups.js';
import type { Catalog } from '../open-catalog.js';
import type { ArchivesTable, FilesTable } from '../schema.js';
import { toBytes } from '../../entry/byte-string.js';

/** Columns that packing needs of an entry; reading whole rows takes nearly twice as long. */
const plannedColumns = [
  ...([
    'path',
    'type',
    'size',
    'mtime_s',
    'mtime_ns',
    'ctime_s',
    'ctime_ns',
    'mode',
    'uid',
    'gid',
    'dev',
    'ino',
    'nlink',
  ] as const),
  ...(['link_target', 'hard_link_of', 'state', 'reason'] as const),
  // For unchanged entries, which the manifest lists.
  ...(['held_set', 'held_group', 'sha256', 'tar_offset'] as const),
] as const;

export type PlannedRow = Pick<FileRow, (typeof plannedColumns)[number]>;

/** Rows per page when the members of a group are read. */
export const filePageSize = 1000;

/** The columns that say where an entry's content is. */
export type HeldRow = Pick<FileRow, 'set_id' | 'group_no' | 'held_set' | 'held_group'>;

/** The archive that holds an entry's content: its own set's, or for an unchanged entry that of an earlier set. */
export function holderOf(row: HeldRow): { setId: string; group: number } {
  return { setId: row.held_set ?? row.set_id, group: row.held_group ?? row.group_no };
}

/** Members of a group in archive order, in pages, by primary key range. */
export async function* filesOfGroup(db: Catalog, setId: string, no: number): AsyncGenerator<PlannedRow[]> {
  const group = await groupOf(db, setId, no);
  let after: Uint8Array | undefined;
  for (;;) {
    let query = db
      .selectFrom('files')
      .select(plannedColumns)
      .where('set_id', '=', setId)
      .where('path', '<=', group.last_path)
      .orderBy('path')
      .limit(filePageSize);
    query =
      after === undefined ? query.where('path', '>=', group.first_path) : query.where('path', '>', after);
    const page = await query.execute();
    const last = page.at(-1);
    if (last === undefined) return;
    yield page;
    if (page.length < filePageSize) return;
    after = last.path;
  }
}

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
    await tx
      .updateTable('groups')
      .set({ state: 'compressed', reserved: options.reserved })
      .where('set_id', '=', setId)
      .where('no', '=', no)
      .execute();
    await recordEvents(tx, [
      { setId, group: no, stage: 'compressed', ms: options.ms, bytes: archive.size, detail: options.detail },
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

/** Every set's row of one member name, newest set first. */
export async function fileEverywhere(db: Catalog, memberName: string): Promise<FileRow[]> {
  return db
    .selectFrom('files')
    .selectAll()
    .where('path', '=', toBytes(memberName))
    .orderBy('set_id', 'desc')
    .execute();
}

/** The rows of one name in a set, as a file and as a folder. */
export async function fileRows(db: Catalog, setId: string, memberName: string): Promise<FileRow[]> {
  return db
    .selectFrom('files')
    .selectAll()
    .where('set_id', '=', setId)
    .where('path', 'in', [toBytes(memberName)])
    .execute();
}

export type NewFile = Insertable<FilesTable>;

/** The first path in a set of an inode with several names, and the archive that holds it. */
export function firstPathOf(db: Catalog, setId: string, dev: string, ino: string) {
  return (
    db
      .selectFrom('files')
      .select(['path', 'set_id', 'group_no', 'held_set', 'held_group'])
      .where('set_id', '=', setId)
      .where('dev', '=', dev)
      .where('ino', '=', ino)
      // A literal, because SQLite would not use the partial index otherwise.
      .where((eb) => eb('nlink', '>', eb.lit(1)))
      .orderBy('path')
      .limit(1)
  );
}

/** The last member name that the scan has recorded, its cursor; undefined before the first. */
export async function scanCursor(db: Catalog, setId: string): Promise<Uint8Array | undefined> {
  const row = await db
    .selectFrom('files')
    .select('path')
    .where('set_id', '=', setId)
    .orderBy('path', 'desc')
    .limit(1)
    .executeTakeFirst();
  return row?.path;
}

/**
 * Marks a group and all its entries as skipped for one reason; it makes no archive. A group that has an archive or is
 * parked stays as it is.
 */
export async function skipGroup(catalog: Catalog, setId: string, no: number, reason: string): Promise<void> {
  await catalog.transaction().execute(async (tx) => {
    const group = await groupOf(tx, setId, no);
    if (notCompressedStates.includes(group.state)) await skipGroupIn(tx, group, reason, null);
  });
}

/**
 * The same in the caller's transaction, for a group that has no archive.
 *
 * @param needs bytes that a tape would need to hold it, if no tape of its pool is large enough.
 */
export async function skipGroupIn(
  tx: Catalog,
  { set_id: setId, no, first_path: first, last_path: last }: GroupRow,
  reason: string,
  needs: number | null,
): Promise<void> {
  await tx
    .updateTable('files')
    .set({ state: 'skipped', reason: sql<string>`coalesce(reason, ${reason})` })
    .where('set_id', '=', setId)
    .where('path', '>=', first)
    .where('path', '<=', last)
    .where('state', '!=', 'unchanged')
    .execute();
  await tx
    .updateTable('groups')
    .set({ state: 'skipped', reason, reserved: 0, needs })
    .where('set_id', '=', setId)
    .where('no', '=', no)
    .execute();
  await recordEvents(tx, [{ setId, group: no, stage: 'failed', detail: reason }]);
}

/** Offset of a member in its archive, in bytes of the tar; null when it is not known. */
export async function tarOffsetOf(db: Catalog, setId: string, path: Uint8Array): Promise<number | null> {
  const row = await db
    .selectFrom('files')
    .select('tar_offset')
    .where('set_id', '=', setId)
    .where('path', '=', path)
    .executeTakeFirst();
  return row?.tar_offset ?? null;
}
