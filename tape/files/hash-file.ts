import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { onSide } from '../../config/sides.js';
import { readUnfollowed } from '../../disk/open-flags.js';

/**
 * Size and SHA-256 of a file on a tape; links are not followed and pipes not waited for.
 *
 * @param onBytes is told how many bytes have been read; what it throws ends the reading.
 */
export async function hashOf(
  file: string,
  onBytes: (bytes: number) => void = () => undefined,
): Promise<{ size: number; sha256: string }> {
  let bytes = 0;
  return readHashed(file, async (chunk) => onBytes((bytes += chunk.length)));
}

/** The same, while copying the file to a local one, which is created or truncated. */
export async function copyFromTape(file: string, to: string): Promise<{ size: number; sha256: string }> {
  const target = await onSide('catalog', () => open(to, 'w', 0o600));
  try {
    return await readHashed(file, (chunk) => onSide('catalog', () => target.writeFile(chunk)));
  } finally {
    await target.close();
  }
}

async function readHashed(
  file: string,
  take: (chunk: Buffer) => Promise<void>,
): Promise<{ size: number; sha256: string }> {
  const handle = await onSide('tape', () => open(file, readUnfollowed));
  try {
    const hash = createHash('sha256');
    let size = 0;
    const chunks = handle.createReadStream({ autoClose: false })[Symbol.asyncIterator]();
    for (;;) {
      const next = await onSide('tape', () => chunks.next());
      if (next.done === true) return { size, sha256: hash.digest('hex') };
      const chunk = next.value as Buffer;
      hash.update(chunk);
      size += chunk.length;
      await take(chunk);
    }
  } finally {
    await handle.close();
  }
}
