import path from 'node:path';
import type { TestContext } from 'node:test';
import type { BlockIndex } from '../../entry/block-index.js';
import type { ArchiveFormat } from '../../entry/archive-format.js';
import type { ManifestEnd, ManifestHeader } from '../../entry/manifest-content.js';
import type { PackedMember, PlannedMember, SkippedMember } from '../../entry/member.js';
import { Packer } from '../../archive/pack/pack.js';
import { Unpacker } from '../../archive/unpack/unpack.js';
import type { UnpackOptions, Unpacked, WantedMember } from '../../archive/unpack/unpack-options.js';
import { tempFolder } from './trees.js';
import { ownersAsBackedUp } from '../../entry/owner-choice.js';

export const header: ManifestHeader = {
  ...{ set: '2026-11_000001', setUuid: 'u', group: 1, archive: 'a.tar.gz', created: '2026-11-24T00:00:00Z' },
  ...{ installation: 'i', sources: [], hostname: 'h', mode: 'full', platform: process.platform },
};

export interface ArchiveHere {
  archive: string;
  manifest: string;
  packed: PackedMember[];
  skipped: SkippedMember[];
  index: BlockIndex & Pick<ManifestEnd, 'size' | 'sha256' | 'ageHeader'>;
}

export interface PackHere {
  /** Runs before every entry and every read of at most 1 MiB. */
  between?: (packer: Packer) => void;
  maxBytes?: number;
  recipients?: string[];
  /** Default: gzip. */
  format?: ArchiveFormat;
}

/** Packs an archive in this thread, uncompressed blocks being compressed at the lowest level. */
export async function packHere(
  t: TestContext,
  planned: PlannedMember[],
  { between, maxBytes, recipients, format = 'gzip' }: PackHere = {},
): Promise<ArchiveHere> {
  const folder = tempFolder(t);
  const paths = { archivePath: path.join(folder, 'a.tar.gz'), manifestPath: path.join(folder, 'm.gz') };
  const packer: Packer = await Packer.open(
    {
      ...paths,
      level: 1,
      inFlight: 4,
      maxBytes: maxBytes ?? null,
      manifestHeader: header,
      recipients,
      format,
    },
    () => {
      between?.(packer);
      return false;
    },
  );
  const { packed, skipped } = await packer.add(planned);
  const { archive: index } = await packer.finish([]);
  return { archive: paths.archivePath, manifest: paths.manifestPath, packed, skipped, index };
}

const wanted = (member: PackedMember, members: readonly PackedMember[]): WantedMember => ({
  ...member,
  type: member.type === 'link' ? 'file' : member.type,
  linkOffset:
    members.find(({ name }) => member.type === 'link' && name === member.linkTarget)?.offset ?? null,
});

/** Restores all members of an archive into a folder, as root with their owners. */
export async function unpackHere(
  { archive, packed, index }: ArchiveHere,
  target: string | null,
  options: Partial<UnpackOptions> = {},
): Promise<Unpacked[]> {
  const unpacker = await Unpacker.open(
    {
      ...{ archivePath: archive, index, target, overwrite: 'never', owners: ownersAsBackedUp },
      ...{ own: {}, job: { name: 'j', token: 't' }, inFlight: 4, ...options },
    },
    () => false,
  );
  try {
    return await unpacker.take(packed.map((member) => wanted(member, packed)));
  } finally {
    unpacker.close();
  }
}
