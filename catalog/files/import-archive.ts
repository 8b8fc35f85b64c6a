import type { Insertable } from 'kysely';
import { encodeBlocks } from '../../entry/block-index.js';
import { toBytes, displayName } from '../../entry/byte-string.js';
import { clampSeconds } from '../../entry/file-time.js';
import { formatBlockBytes, formatOf } from '../../entry/archive-format.js';
import {
  flagReason,
  type UnchangedMember,
  type PackedMember,
  type SkippedMember,
} from '../../entry/member.js';
import { ManifestError, type ManifestEntry, type ManifestSummary } from '../../entry/manifest-content.js';
import { manifestName } from '../../entry/archive-name.js';
import { executeMany } from '../connection.js';
import { nameStart } from './file-names.js';
import { forgetNames, nameGroup } from '../groups/group-names.js';
import type { NewFile } from './files.js';
import { recordEvents } from '../groups/events.js';
import type { Catalog } from '../open-catalog.js';
import { CatalogConflict } from '../sets/rebuilt-sets.js';
import { noteBegun } from '../tapes/tapes.js';
import type { ArchivesTable } from '../schema.js';

export interface ManifestFile {
  size: number;
  sha256: string;
}

/** An archive found on a tape, with its manifest: the one beside it, or one made from the archive. */
export interface FoundArchive {
  setId: string;
  group: number;
  /** Reads the entries to import; `facts` is the result of a first pass over the same file. */
  entries(): AsyncIterable<ManifestEntry>;
  facts: ManifestSummary;
  /** The manifest on the tape; null when none is intact and says more than the archive does. */
  manifest: ManifestFile | null;
  /** The manifest beside this copy, whatever it says; null when none is intact. */
  beside: ManifestFile | null;
  createdAt: number;
}

/** Rows per batch of statements. */
const batchRows = 1000;

/**
 * Adds a group, its archive and its files to a rebuilt set, in the caller's transaction. Throws `CatalogConflict` when
 * it contains names of another group, and `ManifestError` when its manifest has changed since the first pass.
 */
export async function importArchive(tx: Catalog, found: FoundArchive): Promise<void> {
  const { setId, group, facts } = found;
  const [first, last] = [toBytes(facts.first), toBytes(facts.last)];
  await requireOwnNames(tx, found, first, last);
  const { bytesIn: bytes, kept: unchanged } = facts.end;
  const content = { state: 'released', bytes, unchanged, entries: facts.entries } as const;
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
    `The archive ${facts.header.archive} holds names of group ${other.no}, which the catalog knows already.`,
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
    manifest_name: manifestName(setId, group),
    manifest_size: manifest?.size ?? 0,
    manifest_sha256: manifest?.sha256 ?? '',
    token: '',
    bytes_in: end.bytesIn,
    members: end.members,
    created_at: createdAt,
    block_bytes: index ? end.blockBytes : null,
    blocks: index ? encodeBlocks(end.blocks) : null,
  };
}

/** A forged index must not make a reader allocate more memory than a block takes. */
function hasPlausibleIndex({ header, end }: ManifestSummary): boolean {
  const { blocks, blockBytes } = end;
  if (blockBytes !== formatBlockBytes[formatOf(header.archive) ?? 'gzip'] || blocks.length === 0)
    return false;
  return blocks.every((bytes) => bytes <= 2 * blockBytes) && blocks.reduce((a, b) => a + b, 0) <= end.size;
}

async function importFiles(tx: Catalog, { setId, group, entries, manifest }: FoundArchive): Promise<void> {
  const isFromArchive = manifest === null;
  let batch: NewFile[] = [];
  const flush = async () => {
    const [one] = batch;
    if (one === undefined) return;
    // A skipped entry that is a member too is a padded file, whose row already exists.
    const insert = tx
      .insertInto('files')
      .values(one)
      .onConflict((conflict) =>
        conflict
          .columns(['set_id', 'path'])
          .doUpdateSet((eb) => ({ state: eb.ref('excluded.state'), reason: eb.ref('excluded.reason') })),
      )
      .compile();
    await executeMany(
      tx,
      insert,
      batch.map((row) => Object.values(row)),
    );
    batch = [];
  };
  for await (const entry of entries()) {
    if ('skipped' in entry) batch.push(skippedRow(setId, group, entry.skipped));
    else if ('kept' in entry) batch.push(keptRow(setId, group, entry.kept));
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
    link_target: member.linkTarget === null ? null : toBytes(member.linkTarget),
    hard_link_of: member.hardLinkOf === null ? null : toBytes(member.hardLinkOf),
    state: 'packed',
    reason: flagReason(member.flags),
    sha256: member.sha256,
    tar_offset: member.offset,
    held_set: null,
    held_group: null,
    name_at: nameStart(path),
  };
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
    .selectFrom('files')
    .select(['size', 'sha256', 'nlink', 'hard_link_of'])
    .where('set_id', '=', setId)
    .where('path', '=', target)
    .where('group_no', '=', group)
    .where('type', '=', 'file')
    .executeTakeFirst();
  if (first === undefined && isFromArchive) {
    const reason = `it is a hard link to /${displayName(member.linkTarget ?? '')}, which is lost with damage of the archive`;
    return skippedRow(setId, group, { name: member.name, reason });
  }
  if (first === undefined) throw new ManifestError('a hard link in it leads to no earlier member');
  const row = { ...memberRow(setId, group, member), hard_link_of: first.hard_link_of };
  // A manifest has size and hash; an archive alone has neither, nor the number of links.
  if (member.sha256 !== null) return row;
  if (first.nlink < 2) {
    await tx
      .updateTable('files')
      .set({ nlink: 2 })
      .where('set_id', '=', setId)
      .where('path', '=', target)
      .execute();
  }
  return { ...row, size: first.size, sha256: first.sha256, nlink: 2 };
}

/** Of a skipped entry the tape has only the name and the reason; a folder's name shows its type. */
function skippedRow(setId: string, group: number, { name, reason }: SkippedMember): NewFile {
  const path = toBytes(name);
  return {
    ...{ set_id: setId, path, group_no: group, type: name.endsWith('/') ? 'directory' : 'other', size: 0 },
    ...{ mtime_s: 0, mtime_ns: 0, ctime_s: 0, ctime_ns: 0, mode: 0, uid: 0, gid: 0, dev: '0', ino: '0' },
    ...{ nlink: 1, link_target: null, hard_link_of: null, state: 'skipped', reason },
    ...{ sha256: null, tar_offset: null, held_set: null, held_group: null, name_at: nameStart(path) },
  };
}

/** Forgets an archive that was imported from a damaged copy, for a better one; its copies stay recorded. */
export async function forgetImported(tx: Catalog, setId: string, group: number): Promise<void> {
  const named = tx
    .selectFrom('file_names')
    .select('path')
    .where('set_id', '=', setId)
    .where('group_no', '=', group);
  await tx.deleteFrom('files').where('set_id', '=', setId).where('path', 'in', named).execute();
  await forgetNames(tx, setId, group);
  await tx.deleteFrom('archives').where('set_id', '=', setId).where('group_no', '=', group).execute();
}

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
  await noteBegun(tx, { setId, group, tape: tape.uuid });
  await recordEvents(tx, [{ setId, group, stage: 'found_on_tape', detail: tape.name }]);
}
