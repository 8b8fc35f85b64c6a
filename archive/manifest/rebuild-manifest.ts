import type { Opened } from '../age/open-seal.js';
import { openCodec } from '../blocks/block-codec.js';
import { openForward } from '../readers/open-forward.js';
import { LineSpool } from './line-spool.js';
import { listMembers } from '../tar/list-members.js';
import { formatBlockBytes, type ArchiveFormat } from '../../entry/archive-format.js';
import { endLine, headerLine } from './manifest.js';
import type { ManifestHeader } from '../../entry/manifest-content.js';
import { OutputFile } from '../pack/output-file.js';
import { BlockWriter } from '../blocks/block-writer.js';

/** Compression level of a temporary manifest. */
const level = 1;
const inFlight = 2;

export interface Rebuilt {
  /** What is lost of the archive, as a sentence without its subject; undefined when it is intact. */
  damage: string | undefined;
}

/**
 * Rebuilds the manifest of an archive from the archive itself, as far as it can be read. Hard links get neither size
 * nor hash, which belong to their targets. What only a scan knows is missing: inodes, skipped entries, links to other
 * archives.
 *
 * @param manifestPath must not exist. Throws only for errors of that file, when the archive cannot be opened, and
 *   `FormatUnsupported`.
 * @param opened what opens the archive, if it is encrypted; the manifest is not.
 */
export async function rebuildManifest(
  archivePath: string,
  format: ArchiveFormat,
  manifestPath: string,
  header: ManifestHeader,
  opened?: Opened,
): Promise<Rebuilt> {
  const source = await openForward(archivePath, format, opened?.key);
  let output: OutputFile | undefined;
  let spool: LineSpool | undefined;
  try {
    output = new OutputFile(manifestPath, 'catalog');
    const file = output;
    const list = new BlockWriter({
      codec: await openCodec('gzip', level, 'auto'),
      inFlight,
      write: (chunk) => file.write(chunk),
    });
    const write = (line: string) => list.write(Buffer.from(line));
    // What is unchanged since the base, the archive does not tell.
    await write(headerLine({ ...header, changes: undefined }));
    spool = new LineSpool(`${manifestPath}.rest`);
    const listed = await listMembers(source, write, spool);
    const sha256 = await source.sha256();
    const { members, skipped, bytesIn, tarBytes, damage } = listed;
    const { fileBytes: size } = source;
    const blocks = [...source.blocks];
    const blockBytes = formatBlockBytes[format];
    const ageHeader = opened?.begin.toString('base64');
    const facts = { size, sha256, tarBytes, blockBytes, blocks, ageHeader };
    await write(endLine({ members, skipped, kept: 0, bytesIn, ...facts }));
    await list.end();
    file.finish();
    return { damage };
  } finally {
    source.close();
    output?.close();
    spool?.close();
  }
}
