import { createHash } from 'node:crypto';
import { openCodec } from './block-codec.js';
import { ArchiveDamaged, type TarSource } from './block-reader.js';
import { openForward } from './block-scanner.js';
import { toText } from './byte-string.js';
import { boundedSeconds } from './file-time.js';
import { formatBlockBytes, type ArchiveFormat } from './format.js';
import { endLine, headerLine, memberLine, skippedLine, type ManifestHeader } from './manifest.js';
import { unsafeName } from './member-name.js';
import type { PackedMember } from './member.js';
import { OutputFile } from './output-file.js';
import { BlockWriter } from './block-writer.js';
import { paddedBytes } from './tar-header.js';
import { readEntry, type TarEntry } from './tar-entry.js';

/** Compression of a manifest that is read once and deleted. */
const level = 1;
const inFlight = 2;

export interface Rebuilt {
  /** What of the archive is lost, as a sentence without its subject; undefined when it is whole. */
  damage: string | undefined;
}

/**
 * Makes the manifest of an archive anew, from the archive itself, as far as that can be read. Hard links have neither size
 * nor hash: those are their targets'. What only a scan knows is missing: inodes, skipped entries, links to other archives.
 *
 * @param manifestPath must not exist. Throws only for errors of that file, when the archive cannot be opened, and
 *   `FormatUnsupported`.
 */
export async function rebuildManifest(
  archivePath: string,
  format: ArchiveFormat,
  manifestPath: string,
  header: ManifestHeader,
): Promise<Rebuilt> {
  const source = await openForward(archivePath, format);
  let output: OutputFile | undefined;
  try {
    output = new OutputFile(manifestPath, 'catalog');
    const file = output;
    const list = new BlockWriter({
      codec: await openCodec('gzip', level, 'auto'),
      inFlight,
      write: (chunk) => file.write(chunk),
    });
    const write = (line: string) => list.write(Buffer.from(line));
    await write(headerLine(header));
    const listed = await listMembers(source, write);
    const sha256 = await source.sha256();
    const { members, skipped, bytesIn, tarBytes, damage } = listed;
    const { bytesIn: size } = source;
    const blocks = [...source.blocks];
    const blockBytes = formatBlockBytes[format];
    await write(endLine({ members, skipped, kept: 0, bytesIn, size, sha256, tarBytes, blockBytes, blocks }));
    await list.end();
    file.finish();
    return { damage };
  } finally {
    source.close();
    output?.close();
  }
}

interface Listed extends Rebuilt {
  members: number;
  skipped: number;
  bytesIn: number;
  tarBytes: number;
}

/** Writes a line for each member that is whole. */
async function listMembers(source: TarSource, write: (line: string) => Promise<void>): Promise<Listed> {
  const listed: Listed = { members: 0, skipped: 0, bytesIn: 0, tarBytes: 0, damage: undefined };
  let name: string | undefined;
  try {
    for (;;) {
      const entry = await readEntry(source, listed.tarBytes);
      if (entry === undefined) break;
      const why = entry.type === 'other' ? 'is of a type that is not kept' : unsafeName(entry.name);
      const sha256 = await contentHash(source, entry);
      if (why === undefined) {
        await write(memberLine(memberOf(entry, sha256)));
        listed.members += 1;
      } else {
        await write(skippedLine({ name: entry.name, reason: `in the archive, but its name or type ${why}` }));
        listed.skipped += 1;
      }
      if (entry.type === 'file') listed.bytesIn += entry.size;
      listed.tarBytes = entry.contentOffset + paddedBytes(entry.size);
      name = entry.name;
    }
    // Two records of zeros end an archive; one that was cut between two members has none.
    if ((await source.chunkAt(listed.tarBytes)) === undefined)
      throw new ArchiveDamaged(`it ends after ${listed.tarBytes} bytes without an archive's end`);
    for (let chunk; (chunk = await source.chunkAt(listed.tarBytes)) !== undefined;)
      listed.tarBytes = chunk.start + chunk.data.length;
  } catch (error) {
    if (!(error instanceof ArchiveDamaged)) throw error;
    const lost = name === undefined ? 'nothing of it is there' : `what comes after /${toText(name)} is lost`;
    listed.damage = `is damaged (${error.message}): ${lost}`;
  }
  return listed;
}

/** SHA-256 of an entry's content in hex; null for what is no file. Reads it to its end. */
async function contentHash(source: TarSource, entry: TarEntry): Promise<string | null> {
  const hash = createHash('sha256');
  const end = entry.contentOffset + entry.size;
  for (let at = entry.contentOffset; at < end;) {
    const chunk = await source.chunkAt(at);
    if (chunk === undefined) throw new ArchiveDamaged('it ends inside a file');
    const part = chunk.data.subarray(at - chunk.start, end - chunk.start);
    hash.update(part);
    at += part.length;
  }
  return entry.type === 'file' ? hash.digest('hex') : null;
}

function memberOf(entry: TarEntry, sha256: string | null): PackedMember {
  const { name, size, linkTarget, offset, contentOffset } = entry;
  const type = entry.type === 'other' ? 'file' : entry.type;
  return {
    ...{ name, type, size, linkTarget, sha256, offset },
    mtimeS: boundedSeconds(whole(entry.mtimeS)),
    mtimeNs: whole(entry.mtimeNs),
    mode: Math.max(0, whole(entry.mode)),
    uid: Math.max(0, whole(entry.uid)),
    gid: Math.max(0, whole(entry.gid)),
    dev: '0',
    ino: '0',
    nlink: 1,
    hardLinkOf: null,
    contentOffset: type === 'file' ? contentOffset : null,
    flags: [],
  };
}

/** A number of a header that may be forged. */
function whole(value: number): number {
  return Number.isSafeInteger(value) ? value : 0;
}
