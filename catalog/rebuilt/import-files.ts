import type { Insertable } from 'kysely';
import { english } from '../../messages/sentence.js';
import { attributesJson } from '../../entry/attributes.js';
import { displayName, toBytes } from '../../entry/byte-string.js';
import { deviceText } from '../../entry/device.js';
import { clampSeconds } from '../../entry/file-time.js';
import { ManifestError } from '../../entry/manifest-content.js';
import {
  flagReason,
  type GoneMember,
  type PackedMember,
  type SkippedMember,
  type UnchangedMember,
} from '../../entry/member.js';
import { entryColumns, entryValues, layerFor, layerOf, type NewFile } from '../files/entry-rows.js';
import type { EntriesTable } from '../schema/file-tables.js';
import { ownLayer } from '../files/layers.js';
import type { Catalog } from '../open-catalog.js';
import { executeMany } from '../execute-many.js';
import type { FoundArchive } from './found-archive.js';

/** Rows per batch of statements. */
const batchRows = 1000;

/** A skipped entry that is a member too is a padded file, whose row already exists. */
function insertOf(tx: Catalog) {
  const row = Object.fromEntries(entryColumns.map((column) => [column, null]));
  return tx
    .insertInto('entries')
    .values(row as unknown as Insertable<EntriesTable>)
    .onConflict((conflict) =>
      conflict
        .columns(['layer', 'path'])
        .doUpdateSet((eb) => ({ state: eb.ref('excluded.state'), reason: eb.ref('excluded.reason') })),
    )
    .compile();
}

/** Adds a row for each entry of an archive, in the caller's transaction. Throws `ManifestError`. */
export async function importFiles(
  tx: Catalog,
  { setId, group, entries, manifest }: FoundArchive,
): Promise<void> {
  const isFromArchive = manifest === null;
  const own = await ownLayer(tx, setId);
  const holders = new Map<string, number>();
  const layerOfHolder = async (id: string | null) => {
    if (id === null) return null;
    const known = holders.get(id) ?? (await layerFor(tx, id));
    holders.set(id, known);
    return known;
  };
  let batch: NewFile[] = [];
  const flush = async () => {
    const rows: unknown[][] = [];
    for (const row of batch) rows.push(entryValues(row, { own, held: await layerOfHolder(row.held_set) }));
    await executeMany(tx, insertOf(tx), rows);
    batch = [];
  };
  for await (const entry of entries()) {
    if ('skipped' in entry) batch.push(skippedRow(setId, group, entry.skipped));
    else if ('kept' in entry) batch.push(keptRow(setId, group, entry.kept));
    else if ('gone' in entry) batch.push(goneRow(setId, group, entry.gone));
    else if (entry.member.type !== 'link') batch.push(memberRow(setId, group, entry.member));
    else {
      await flush();
      batch.push(await linkRow(tx, { setId, group, isFromArchive }, entry.member));
    }
    if (batch.length >= batchRows) await flush();
  }
  await flush();
}

/**
 * The same row that the scan and the commit of a packed archive write; manifests of version 0.1 lack the inode's time
 * of change.
 */
function memberRow(setId: string, group: number, member: PackedMember): NewFile {
  const path = toBytes(member.name);
  return {
    set_id: setId,
    path,
    group_no: group,
    type: member.type === 'link' ? 'file' : member.type,
    size: member.size,
    mtime_s: clampSeconds(member.mtimeS),
    mtime_ns: member.mtimeNs,
    ctime_s: clampSeconds(member.ctime?.[0] ?? 0),
    ctime_ns: member.ctime?.[1] ?? 0,
    mode: member.mode & 0o7777,
    uid: member.uid,
    gid: member.gid,
    dev: member.dev,
    ino: member.ino,
    nlink: member.type === 'file' || member.type === 'link' ? member.nlink : 1,
    link_target: linkTargetOf(member),
    hard_link_of: member.hardLinkOf === null ? null : toBytes(member.hardLinkOf),
    state: 'packed',
    reason: flagReason(member.flags),
    sha256: member.sha256,
    attributes: attributesJson(member.attributes),
    tar_offset: member.offset,
    stored_size: member.storedSize ?? null,
    held_set: null,
    held_group: null,
  };
}

/** As in the column: a device's numbers stand in the place of a target. */
function linkTargetOf({ linkTarget, device }: PackedMember): Buffer | null {
  const text = device === undefined ? linkTarget : deviceText(device);
  return text === null ? null : toBytes(text);
}

/** An unchanged file: the archive that holds it may be on another tape that is not known yet. */
function keptRow(setId: string, group: number, kept: UnchangedMember): NewFile {
  const row = memberRow(setId, group, { ...kept, type: 'file', contentOffset: null, flags: [] });
  return { ...row, state: 'unchanged', held_set: kept.set, held_group: kept.group };
}

/** A further hard link: what it shares with the first link is in that one's row. */
async function linkRow(
  tx: Catalog,
  { setId, group, isFromArchive }: { setId: string; group: number; isFromArchive: boolean },
  member: PackedMember,
): Promise<NewFile> {
  const target = toBytes(member.linkTarget ?? '');
  const first = await tx
    .selectFrom('layer_files')
    .select(['size', 'stored_size', 'sha256', 'nlink', 'hard_link_of', 'attributes'])
    .where('layer', '=', layerOf(setId))
    .where('path', '=', target)
    .where('group_no', '=', group)
    .where('type', '=', 'file')
    .executeTakeFirst();
  if (first === undefined && isFromArchive) {
    const reason = english`it is a hard link to /${displayName(member.linkTarget ?? '')}, which the archive
        does not hold, or has lost with its damage`;
    return skippedRow(setId, group, { name: member.name, reason });
  }
  if (first === undefined) throw new ManifestError(english`a hard link in it leads to no earlier member`);
  const row = { ...memberRow(setId, group, member), hard_link_of: first.hard_link_of };
  // A manifest has size and hash; an archive alone has neither, nor the number of links.
  if (member.sha256 !== null) return row;
  if (first.nlink < 2) {
    await tx
      .updateTable('entries')
      .set({ nlink: 2 })
      .where('layer', '=', layerOf(setId))
      .where('path', '=', target)
      .execute();
  }
  const { size, stored_size, sha256, attributes } = first;
  return { ...row, size, stored_size, sha256, attributes, nlink: 2 };
}

/** A file of the base that this set has not. */
function goneRow(setId: string, group: number, { name }: GoneMember): NewFile {
  return { ...skippedRow(setId, group, { name, reason: '' }), type: 'other', state: 'gone', reason: null };
}

/** Of a skipped entry the tape has only the name and the reason; a folder's name shows its type. */
function skippedRow(setId: string, group: number, { name, reason }: SkippedMember): NewFile {
  const path = toBytes(name);
  return {
    ...{ set_id: setId, path, group_no: group, type: name.endsWith('/') ? 'directory' : 'other', size: 0 },
    ...{ mtime_s: 0, mtime_ns: 0, ctime_s: 0, ctime_ns: 0, mode: 0, uid: 0, gid: 0, dev: '0', ino: '0' },
    ...{ nlink: 1, link_target: null, hard_link_of: null, state: 'skipped', reason },
    ...{
      sha256: null,
      attributes: null,
      tar_offset: null,
      stored_size: null,
      held_set: null,
      held_group: null,
    },
  };
}
