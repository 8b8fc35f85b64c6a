import type { ArchiveFormat } from '../../entry/archive-format.js';
import type { PayloadKey } from '../age/age-format.js';
import { openDecompressor } from '../blocks/decompressor.js';
import { BlockScanner } from './block-scanner.js';
import type { ForwardSource } from './forward-source.js';
import { StreamReader } from './stream-reader.js';
import { PlainReader } from './plain-reader.js';

/**
 * Opens an archive: block by block if the packer made it, or else as any file of its format. Throws `FormatUnsupported`
 * where there is no zstd.
 *
 * @param opened what opens the archive, if it is encrypted.
 */
export async function openForward(
  path: string,
  format: ArchiveFormat,
  opened?: PayloadKey,
): Promise<ForwardSource> {
  const decompressor = await openDecompressor(format, 'auto');
  if (format === 'none') return new PlainReader(path, opened);
  const scanner = new BlockScanner(path, format, decompressor, opened);
  try {
    if (await scanner.hasBlocks()) return scanner;
  } catch (error) {
    scanner.close();
    throw error;
  }
  scanner.close();
  return new AnyReader(path, decompressor, true, opened);
}

/** An archive compressed by another program: it has no blocks, and nothing after damage can be read. */
class AnyReader extends StreamReader implements ForwardSource {
  readonly blocks: readonly number[] = [];
  readonly begin = 0;
  readonly step = undefined;
  resync(): Promise<undefined> {
    return Promise.resolve(undefined);
  }
}
