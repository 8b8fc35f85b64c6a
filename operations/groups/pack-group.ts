import os from 'node:os';
import {
  packInThread,
  type PackAsks,
  type PackEntry,
  type PackOptions,
  type PackProgress,
} from '../../archive/pack/pack-in-thread.js';
import type { PlannedMember, SkippedMember } from '../../entry/member.js';
import { fromBytes } from '../../entry/byte-string.js';
import type { ArchiveFormat } from '../../entry/archive-format.js';
import { encodeBlocks } from '../../entry/block-index.js';
import { filesOfGroup } from '../../catalog/files/files.js';
import { newNames } from '../../catalog/files/new-names.js';
import type { commitCompressed, PackedFile } from '../../catalog/files/packed-files.js';
import { installationId } from '../../catalog/installation.js';
import { formatCount, formatNumber } from '../../config/counts.js';
import { recipientsOf } from '../../catalog/sets/recipients.js';
import { setNamed } from '../../catalog/sets/sets.js';
import { pathsAround } from '../../catalog/sets/taken-options.js';
import type { Attempt } from '../attempt.js';
import type { Deps, GroupRef } from '../deps.js';
import { setOptions } from '../sets/set-options.js';
import { requireZstdSupport } from '../sets/zstd-support.js';
import { groupOf } from '../../catalog/groups/groups.js';
import type { GroupRow, SetRow } from '../../catalog/rows.js';
import { fatesOf } from './file-fates.js';
import { filesOf } from './group-files.js';
import { HeldContents } from './held-content.js';
import { manifestChanges } from './manifest-changes.js';
import { plannedMember, unchangedMember } from '../../catalog/files/members.js';
import { english } from '../../messages/sentence.js';

/** Blocks in progress per compression thread; zstd's are four times as large. */
const blocksPerThread: Record<ArchiveFormat, number> = { gzip: 4, zstd: 2, none: 4 };

/** Bytes that the files of any group may have grown since the scan; less than the reserve of every tape. */
export const minGrowth = 1024 * 1024;

/**
 * Maximum bytes of the files of a group with the limit `bytes`: files that have grown since the scan are stored, up to
 * an eighth more, since a growing log must be in the backup. What grows beyond that is skipped.
 */
export function withGrowth(bytes: number): number {
  return bytes + Math.max(Math.ceil(bytes / 8), minGrowth);
}

/** What the catalog has to learn of a group that was packed. */
export interface PackedGroup {
  /** The archive's catalog row, ready to commit. */
  archive: Parameters<typeof commitCompressed>[1];
  /** What became of each of its files. */
  files: PackedFile[];
  /** How many entries it has, and how many were skipped, for people. */
  detail: string;
}

/** Packs a group's files into two new files, and returns what to record in the catalog. */
export async function packGroup(
  deps: Deps,
  ref: GroupRef,
  attempt: Attempt,
  paths: Pick<PackOptions, 'archivePath' | 'manifestPath' | 'side' | 'maxBytes'> & { signal: AbortSignal },
  onProgress: (progress: PackProgress) => void,
  onStart: (asks: PackAsks) => void,
): Promise<PackedGroup> {
  const { catalog, settings } = deps;
  const { setId, group } = ref;
  const set = await setNamed(catalog, setId);
  const row = await groupOf(catalog, setId, group);
  const files: PackedFile[] = [];
  const found: SkippedMember[] = [];
  let members = 0;
  const { compression, level } = setOptions(set);
  const { archive: name, manifest: manifestFile } = filesOf(set, group);
  const recipients = recipientsOf(set);
  if (compression === 'zstd') await requireZstdSupport(settings.COMPRESSION_CODEC);
  const outcome = await packInThread({
    archivePath: paths.archivePath,
    manifestPath: paths.manifestPath,
    side: paths.side,
    pages: plannedPages(deps, ref, set.base_id, found),
    format: compression,
    level,
    recipients,
    codec: settings.COMPRESSION_CODEC,
    inFlight: Math.max(2, settings.COMPRESSION_THREADS) * blocksPerThread[compression],
    maxBytes: paths.maxBytes,
    manifestHeader: await manifestHeaderOf(deps, set, row, name),
    groupEntries: row.entries,
    signal: paths.signal,
    alreadySkipped: found,
    onBatch(packed, skipped, unchanged) {
      for (const file of fatesOf(packed, skipped, unchanged)) files.push(file);
      members += packed.length;
    },
    onProgress,
    onStart,
  });
  const { archive, manifest } = outcome;
  onProgress({ bytesIn: archive.bytesIn, bytesOut: archive.size, files: members });
  const skipped = found.length + files.filter(({ state }) => state === 'skipped').length;
  return {
    archive: {
      set_id: setId,
      group_no: group,
      name,
      size: archive.size,
      sha256: archive.sha256,
      manifest_name: manifestFile,
      manifest_size: manifest.size,
      manifest_sha256: manifest.sha256,
      token: attempt.token,
      bytes_in: archive.bytesIn,
      members,
      created_at: Date.now(),
      block_bytes: archive.blockBytes,
      blocks: encodeBlocks(archive.blocks),
      age_header: archive.ageHeader ?? null,
    },
    files,
    detail: english`${formatCount(members, 'entry', 'entries')}, ${formatNumber(skipped)} skipped`,
  };
}

/** What the manifest of an archive says of its set. */
async function manifestHeaderOf(
  { catalog }: Deps,
  set: SetRow,
  group: GroupRow,
  archive: string,
): Promise<PackOptions['manifestHeader']> {
  return {
    set: set.id,
    setUuid: set.uuid,
    group: group.no,
    archive,
    created: new Date().toISOString(),
    installation: await installationId(catalog),
    sources: pathsAround(set),
    ...(set.host === null ? {} : { host: set.host }),
    hostname: os.hostname(),
    mode: set.mode,
    base: set.base_id ?? undefined,
    changes: await manifestChanges(catalog, set, group),
    platform: process.platform,
    recipients: recipientsOf(set),
    endMark: true,
  };
}

/**
 * The group's entries for the packer, without the unchanged ones that have no row; those that the scan skipped are put
 * into `skipped` instead.
 */
async function* plannedPages(
  deps: Deps,
  ref: GroupRef,
  baseId: string | null,
  skipped: SkippedMember[],
): AsyncGenerator<PackEntry[]> {
  const held = baseId === null ? undefined : new HeldContents(deps.catalog, ref.setId, baseId);
  for await (const { rows, gone } of filesOfGroup(deps.catalog, ref.setId, ref.group)) {
    const members: PackEntry[] = gone.map((name) => ({ name: fromBytes(name), isGone: true }));
    const planned: PlannedMember[] = [];
    const isNew = await newNames(deps.catalog, rows);
    for (const row of rows) {
      const member = row.state === 'unchanged' ? undefined : plannedMember(row);
      if (row.state === 'unchanged')
        members.push({ ...unchangedMember(row, ref), ...(isNew.has(row) ? { isNewName: true } : {}) });
      else if (member === undefined)
        skipped.push({ name: fromBytes(row.path), reason: row.reason ?? english`unknown` });
      else {
        members.push(member);
        planned.push(member);
      }
    }
    await held?.addTo(planned);
    yield members;
  }
}
