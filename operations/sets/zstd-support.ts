import { FormatUnsupported, type CodecChoice } from '../../entry/archive-format.js';
import { requireZstd } from '../../archive/blocks/zstd.js';
import { TapeflowFailure } from '../../config/failures.js';
import { english } from '../../messages/sentence.js';

/** Throws a failure when zstd archives can be neither made nor read here. */
export async function requireZstdSupport(
  choice: CodecChoice,
  advice = english`With COMPRESSION=gzip new sets need none.`,
): Promise<void> {
  try {
    await requireZstd(choice);
  } catch (error) {
    if (!(error instanceof FormatUnsupported)) throw error;
    throw new TapeflowFailure('NoZstd', `${error.message}.`, { advice });
  }
}
