import { Seal } from '../../archive/age/seal.js';
import { openCodec } from '../../archive/blocks/block-codec.js';
import { TapeflowFailure } from '../../config/failures.js';
import { decodeBlocks } from '../../entry/block-index.js';
import { BlockWriter } from '../../archive/blocks/block-writer.js';
import { fromBytes } from '../../entry/byte-string.js';
import { formatBlockBytes, formatOf, isEncrypted } from '../../entry/archive-format.js';
import {
  endLine,
  goneLine,
  headerLine,
  unchangedLine,
  memberLine,
  skippedLine,
} from '../../archive/manifest/manifest.js';
import { OutputFile } from '../../archive/pack/output-file.js';
import { encodeHeaders } from '../../archive/tar/tar-header.js';
import { paddedBytes } from '../../archive/tar/tar-records.js';
import { installationId } from '../../catalog/installation.js';
import { filesOfGroup } from '../../catalog/files/files.js';
import { groupOf } from '../../catalog/groups/groups.js';
import { manifestChanges } from '../groups/manifest-changes.js';
import { newNames } from '../../catalog/files/new-names.js';
import type { ArchiveRow } from '../../catalog/rows.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import { storedBytes } from '../../entry/member.js';
import { isRebuilt } from '../../catalog/rebuilt/rebuilt-sets.js';
import { recipientsOf } from '../../catalog/sets/recipients.js';
import { setNamed } from '../../catalog/sets/sets.js';
import { pathsAround } from '../../catalog/sets/taken-options.js';
import { unchangedMember, memberOf } from '../../catalog/files/members.js';
import { english } from '../../messages/sentence.js';

const level = 6;
const inFlight = 2;
/** Two zero records end a tar, which is padded to 10 KiB. */
const endBytes = 1024;
const blockingBytes = 10_240;

/**
 * Writes a new manifest for an archive from the catalog, to replace a lost one. It is marked as rebuilt when the
 * catalog itself knows the archive without its manifest, and so adds nothing to the archive.
 *
 * @param file must not exist; in staging.
 * @param otherwise recipients of an encrypted archive whose set does not know them, being read from tapes.
 */
export async function writeCatalogManifest(
  catalog: Catalog,
  archive: ArchiveRow,
  file: string,
  otherwise: readonly string[] = [],
): Promise<void> {
  const set = await setNamed(catalog, archive.set_id);
  const recipients = recipientsOf(set);
  const seal = isEncrypted(archive.name) ? await sealFor(archive, recipients ?? otherwise) : undefined;
  const group = await groupOf(catalog, archive.set_id, archive.group_no);
  const changes = await manifestChanges(catalog, set, group);
  const output = new OutputFile(file, 'staging');
  try {
    const list = new BlockWriter({
      codec: await openCodec('gzip', level, 'auto'),
      inFlight,
      write: (chunk) => output.write(chunk),
      seal,
    });
    await list.write(
      Buffer.from(
        headerLine({
          ...{ set: set.id, setUuid: set.uuid, group: archive.group_no, archive: archive.name },
          created: new Date(archive.created_at).toISOString(),
          installation: await installationId(catalog),
          sources: pathsAround(set),
          ...(set.host === null ? {} : { host: set.host }),
          ...{
            hostname: '',
            mode: set.mode,
            base: set.base_id ?? undefined,
            changes,
            platform: process.platform,
          },
          recipients,
          rebuilt: archive.manifest_sha256 === '' ? true : undefined,
          endMark: isRebuilt(set) && set.end_marked === 0 ? undefined : true,
        }),
      ),
    );
    const counts = { members: 0, skipped: 0, kept: 0 };
    const counted = { gone: 0, rows: 0 };
    let tarBytes = 0;
    for await (const { rows, gone } of filesOfGroup(catalog, archive.set_id, archive.group_no)) {
      let lines = gone.map((name) => goneLine({ name: fromBytes(name), isGone: true })).join('');
      counted.gone += gone.length;
      counted.rows += rows.length;
      const isNew = await newNames(catalog, rows);
      for (const row of rows) {
        if (row.state === 'unchanged') {
          const kept = unchangedMember(row, { setId: archive.set_id, group: archive.group_no });
          lines += unchangedLine({ ...kept, isNewName: isNew.has(row) });
          counts.kept += 1;
          continue;
        }
        const member = memberOf(row);
        if (member !== undefined) {
          lines += memberLine(member);
          counts.members += 1;
          const content = member.type === 'file' ? paddedBytes(storedBytes(member)) : 0;
          tarBytes = Math.max(tarBytes, member.offset + encodeHeaders(member).length + content);
        }
        if (row.state !== 'packed') {
          lines += skippedLine({ name: fromBytes(row.path), reason: row.reason ?? english`unknown` });
          counts.skipped += 1;
        }
      }
      await list.write(Buffer.from(lines));
    }
    const blocks = archive.blocks === null ? [] : decodeBlocks(archive.blocks);
    const end = {
      ...(changes === undefined ? {} : { gone: counted.gone, unchanged: group.entries - counted.rows }),
      ...{ ...counts, bytesIn: archive.bytes_in, size: archive.size, sha256: archive.sha256, blocks },
      tarBytes: Math.ceil((tarBytes + endBytes) / blockingBytes) * blockingBytes,
      blockBytes: archive.block_bytes ?? formatBlockBytes[formatOf(archive.name) ?? 'gzip'],
      ageHeader: archive.age_header ?? undefined,
    };
    await list.write(Buffer.from(endLine(end)));
    await list.end();
    output.finish();
  } finally {
    output.abandon();
  }
}

function sealFor({ name }: ArchiveRow, recipients: readonly string[]): Promise<Seal> {
  if (recipients.length > 0) return Seal.to(recipients);
  throw new TapeflowFailure(
    'NoRecipients',
    english`The manifest of ${name} is lost, and nothing says whom a new one is to be encrypted to.`,
    { advice: english`Set AGE_RECIPIENTS.` },
  );
}
