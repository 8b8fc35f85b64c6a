import type { ArchiveFormat } from '../../entry/archive-format.js';
import { openDecompressor } from '../blocks/decompressor.js';
import { BlockScanner } from './block-scanner.js';
import type { ForwardSource } from './forward-source.js';
import { StreamReader } from './stream-reader.js';
import { PlainReader } from './plain-reader.js';

/**
 * Opens an archive: block by block if the packer made it, or else as any file of its format. Throws `FormatUnsupported`
 * where there is no zstd.
 */
export async function openForward(path: string, format: ArchiveFormat): Promise<ForwardSource> {
  const decompressor = await openDecompressor(format, 'auto');
  if (format === 'none') return new PlainReader(path);
  const scanner = new BlockScanner(path, format, decompressor);
  try {
    if (await scanner.hasBlocks()) return scanner;
  } catch (error) {
    scanner.close();
    throw error;
  }
  scanner.close();
  return new AnyReader(path, decompressor, true);
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
