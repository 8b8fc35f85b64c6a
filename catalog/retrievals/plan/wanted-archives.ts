import type { Selection } from '../../../entry/selection.js';
import { layerOf } from '../../files/entry-rows.js';
import { holderOf, type HeldRow } from '../../files/files.js';
import { partsOf } from '../../files/layers.js';
import { treeRows } from '../../files/tree-rows.js';
import type { FileRow } from '../../rows.js';
import { selectedFiles } from '../../files/selected-files.js';
import type { Catalog } from '../../open-catalog.js';

/** What is wanted of one archive. */
export interface WantedArchive {
  setId: string;
  group: number;
  members: number;
  bytes: number;
}

/** The key of an archive in a map. */
export const archiveKey = (setId: string, group: number) => `${setId} ${group}`;

/** Every archive that a restore of a set needs: its own, and those of earlier sets. */
export async function archivesOf(db: Catalog, setId: string): Promise<WantedArchive[]> {
  return [...(await ownArchives(db, setId)), ...(await heldElsewhere(db, setId))];
}

/** The set's own non-empty archives, including those still to be made. */
async function ownArchives(db: Catalog, setId: string): Promise<WantedArchive[]> {
  const groups = await db
    .selectFrom('groups')
    .leftJoin('archives', (join) =>
      join.onRef('archives.set_id', '=', 'groups.set_id').onRef('archives.group_no', '=', 'groups.no'),
    )
    .select(['groups.no', 'groups.entries', 'groups.unchanged', 'groups.bytes'])
    .select(['archives.members', 'archives.bytes_in'])
    .where('groups.set_id', '=', setId)
    .where('groups.state', '!=', 'skipped')
    .orderBy('groups.no')
    .execute();
  return groups
    .map(({ no: group, entries, unchanged, bytes, members, bytes_in }) => ({
      ...{ setId, group },
      members: members ?? entries - unchanged,
      bytes: bytes_in ?? bytes,
    }))
    .filter(({ members }) => members > 0);
}

/** Archives of earlier sets that hold unchanged files of this set. */
async function heldElsewhere(db: Catalog, setId: string): Promise<WantedArchive[]> {
  const [own, below] = await partsOf(db, setId);
  // A folded set holds all of it itself.
  const isOnBase = below !== undefined && below.through !== own?.no;
  return isOnBase ? heldBelow(db, setId) : heldByRows(db, setId);
}

/** The same of a set that has a row for each of its entries. */
async function heldByRows(db: Catalog, setId: string): Promise<WantedArchive[]> {
  const rows = await db
    .selectFrom('entries')
    .innerJoin('layers', 'layers.no', 'entries.held_layer')
    .select((eb) => [
      'layers.set_id',
      'held_group',
      eb.fn.countAll<number>().as('members'),
      eb.fn.sum<number>(eb.fn.coalesce('stored_size', 'size')).as('bytes'),
    ])
    .where('layer', '=', layerOf(setId))
    .groupBy(['layers.set_id', 'held_group'])
    .execute();
  return rows.map(({ set_id: holder, held_group, members, bytes }) => ({
    ...{ setId: holder, group: held_group ?? 0, members },
    bytes: Number(bytes),
  }));
}

async function heldBelow(db: Catalog, setId: string): Promise<WantedArchive[]> {
  const archives = new Map<string, WantedArchive>();
  for await (const page of treeRows(db, setId, {}, ['size', 'stored_size']))
    for (const row of page) if (row.held_set !== null) addTo(archives, row);
  return [...archives.values()];
}

function addTo(
  archives: Map<string, WantedArchive>,
  row: HeldRow & Pick<FileRow, 'size' | 'stored_size'>,
): void {
  const holder = holderOf(row);
  const name = archiveKey(holder.setId, holder.group);
  const archive = archives.get(name) ?? { ...holder, members: 0, bytes: 0 };
  archive.members += 1;
  archive.bytes += row.stored_size ?? row.size;
  archives.set(name, archive);
}

/** The archives that hold the selected entries of a set. */
export async function selectedArchives(
  db: Catalog,
  setId: string,
  selection: Selection,
): Promise<WantedArchive[]> {
  const archives = new Map<string, WantedArchive>();
  for await (const page of selectedFiles(db, setId, selection)) {
    for (const row of page) {
      if (row.state === 'skipped' && row.tar_offset === null) continue;
      addTo(archives, row);
    }
  }
  return [...archives.values()];
}
