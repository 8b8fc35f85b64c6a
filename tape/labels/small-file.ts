import { open } from 'node:fs/promises';
import { systemErrorCode } from '../../config/failures.js';
import { readUnfollowed } from '../../disk/open-flags.js';

/** What should be a small file on a tape is not one; the message is part of a sentence. */
export class NotSmallFile extends Error {}

/**
 * The text of a small file on a tape; undefined when there is none. Links are not followed, pipes not waited for, and
 * no more than the limit is read, since the tape may be forged. Throws `NotSmallFile`.
 */
export async function readSmallFile(file: string, maxBytes: number): Promise<string | undefined> {
  try {
    // A pipe in its place must not block the reader for ever.
    const handle = await open(file, readUnfollowed);
    try {
      const stats = await handle.stat();
      if (!stats.isFile()) throw new NotSmallFile('it is not a regular file');
      const buffer = Buffer.alloc(Math.min(stats.size, maxBytes) + 1);
      let have = 0;
      for (let bytes = -1; have < buffer.length && bytes !== 0; have += bytes)
        bytes = (await handle.read(buffer, have, buffer.length - have, have)).bytesRead;
      if (have > maxBytes) throw new NotSmallFile('it is too long');
      return buffer.toString('utf8', 0, have);
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    // ENXIO: a socket.
    if (['ELOOP', 'EISDIR', 'ENXIO'].includes(systemErrorCode(error) ?? ''))
      throw new NotSmallFile('it is not a regular file');
    throw error;
  }
}
