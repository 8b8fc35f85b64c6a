import type { Insertable } from 'kysely';
import { english } from '../../messages/sentence.js';
import { formatBlockBytes, formatOf, isEncrypted } from '../../entry/archive-format.js';
import { manifestName } from '../../entry/archive-name.js';
import { encodeBlocks } from '../../entry/block-index.js';
import { toBytes } from '../../entry/byte-string.js';
import type { ManifestSummary } from '../../entry/manifest-content.js';
import { layerOf } from '../files/entry-rows.js';
import { forgetNames, nameGroup } from '../files/names.js';
import { groupOf } from '../groups/groups.js';
import type { Catalog } from '../open-catalog.js';
import type { ArchivesTable } from '../schema/group-tables.js';
import type { FoundArchive } from './found-archive.js';
import { importFiles } from './import-files.js';
import { keepRoot } from './keep-root.js';
import { CatalogConflict } from './rebuilt-sets.js';

/**
 * Adds a group, its archive and its files to a rebuilt set, in the caller's transaction. Throws `CatalogConflict` when
 * it contains names of another group, and `ManifestError` when its manifest has changed since the first pass.
 */
export async function importArchive(tx: Catalog, found: FoundArchive): Promise<void> {
  const { setId, group, facts } = found;
  const [first, last] = [toBytes(facts.first), toBytes(facts.last)];
  await requireOwnNames(tx, found, first, last);
  const { bytesIn: bytes, kept } = facts.end;
  const isOnBase = facts.header.changes !== undefined;
  const unchanged = kept + (isOnBase ? (facts.end.unchanged ?? 0) : 0);
  const on_base = isOnBase ? 1 : 0;
  const content = { state: 'released', bytes, unchanged, entries: facts.entries, on_base } as const;
  await tx
    .insertInto('groups')
    .values({
      set_id: setId,
      no: group,
      first_path: first,
      last_path: last,
      direct: 0,
      reserved: 0,
      ...content,
    })
    .onConflict((conflict) =>
      conflict.columns(['set_id', 'no']).doUpdateSet({ first_path: first, last_path: last, ...content }),
    )
    .execute();
  await tx.insertInto('archives').values(archiveRow(found)).execute();
  await keepRoot(tx, setId);
  await importFiles(tx, found);
  await nameGroup(tx, { setId, no: group, first, last });
}

/** A group is one range of names; two groups that overlap cannot belong to the same set. */
async function requireOwnNames(
  tx: Catalog,
  { setId, group, facts }: FoundArchive,
  first: Uint8Array,
  last: Uint8Array,
): Promise<void> {
  if (facts.entries === 0) return;
  const other = await tx
    .selectFrom('groups')
    .select('no')
    .where('set_id', '=', setId)
    .where('no', '!=', group)
    .where('entries', '>', 0)
    .where('first_path', '<=', last)
    .where('last_path', '>=', first)
    .limit(1)
    .executeTakeFirst();
  if (other === undefined) return;
  throw new CatalogConflict(
    english`The archive ${facts.header.archive} holds names of group ${other.no}, which the catalog knows already.`,
  );
}

function archiveRow({ setId, group, facts, manifest, createdAt }: FoundArchive): Insertable<ArchivesTable> {
  const { end } = facts;
  const index = hasPlausibleIndex(facts);
  return {
    set_id: setId,
    group_no: group,
    name: facts.header.archive,
    size: end.size,
    sha256: end.sha256,
    manifest_name: manifestName(setId, group, isEncrypted(facts.header.archive)),
    manifest_size: manifest?.size ?? 0,
    manifest_sha256: manifest?.sha256 ?? '',
    token: '',
    bytes_in: end.bytesIn,
    members: end.members,
    created_at: createdAt,
    block_bytes: index ? end.blockBytes : null,
    blocks: index ? encodeBlocks(end.blocks) : null,
    age_header: end.ageHeader ?? null,
  };
}

/** A forged index must not make a reader allocate more memory than a block takes. */
function hasPlausibleIndex({ header, end }: ManifestSummary): boolean {
  const { blocks, blockBytes } = end;
  if (blockBytes !== formatBlockBytes[formatOf(header.archive) ?? 'gzip'] || blocks.length === 0)
    return false;
  return blocks.every((bytes) => bytes <= 2 * blockBytes) && blocks.reduce((a, b) => a + b, 0) <= end.size;
}

/** Forgets an archive that was imported from a damaged copy, for a better one; its copies stay recorded. */
export async function forgetImported(tx: Catalog, setId: string, group: number): Promise<void> {
  const { first_path: first, last_path: last } = await groupOf(tx, setId, group);
  await tx
    .deleteFrom('entries')
    .where('layer', '=', layerOf(setId))
    .where('path', '>=', first)
    .where('path', '<=', last)
    .where('group_no', '=', group)
    .execute();
  await forgetNames(tx, setId, group);
  await tx.deleteFrom('archives').where('set_id', '=', setId).where('group_no', '=', group).execute();
}
