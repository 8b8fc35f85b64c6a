import { english } from '../../messages/sentence.js';
import { TapeflowFailure } from '../../config/failures.js';
import type { Catalog } from '../open-catalog.js';
import type { ArchiveRow, GroupRow } from '../rows.js';

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

/** The group; throws a permanent failure when the catalog does not know it. */
export async function groupOf(db: Catalog, setId: string, no: number): Promise<GroupRow> {
  const row = await db
    .selectFrom('groups')
    .selectAll()
    .where('set_id', '=', setId)
    .where('no', '=', no)
    .executeTakeFirst();
  if (row === undefined)
    throw new TapeflowFailure('NoSuchGroup', english`The catalog has no group ${no} of set ${setId}.`);
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
  throw new TapeflowFailure('NotCompressed', english`Group ${no} of set ${setId} has no archive yet.`, {
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
