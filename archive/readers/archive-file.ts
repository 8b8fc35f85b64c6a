import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { describeError } from '../../config/failures.js';
import {
  isMediumReadError,
  readWithRetries,
  type Hole,
  type RetriedRead,
} from '../../disk/read-with-retries.js';
import { onSideSync, withSide } from '../../config/sides.js';
import { readUnfollowed } from '../../disk/open-flags.js';
import { english } from '../../messages/sentence.js';

/** The requested bytes cannot be read from this archive; the message is part of a sentence. */
export class ArchiveDamaged extends Error {}

/** Opens a file on a tape; only a regular file, since a pipe or device could block the reader for ever. */
export function openArchive(path: string): { fd: number; size: number } {
  return onSideSync('tape', () => {
    const fd = openSync(path, readUnfollowed);
    try {
      const stats = fstatSync(fd);
      if (!stats.isFile()) throw new ArchiveDamaged(english`it is not a regular file`);
      return { fd, size: stats.size };
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  });
}

/**
 * Reads bytes of an archive and retries where the medium fails; unreadable ranges are holes. Synchronous unless a read
 * fails, so that reads stay in order.
 *
 * @param tear see `readWithRetries`.
 */
export function readFromTape(
  fd: number,
  into: Buffer,
  position: number,
  tear: boolean,
): (RetriedRead & { error?: unknown }) | Promise<RetriedRead & { error?: unknown }> {
  const read = (part: Buffer, at: number) => readSync(fd, part, 0, part.length, at);
  let have = 0;
  try {
    for (let bytes; have < into.length; have += bytes) {
      bytes = read(into.subarray(have), position + have);
      if (bytes === 0) break;
    }
    return { bytes: have, holes: [] };
  } catch (error) {
    if (!isMediumReadError(error)) throw withSide('tape', error);
    return readWithRetries(read, into, position, { tear }).then(
      (result) => ({ ...result, error }),
      (later: unknown) => {
        throw withSide('tape', later);
      },
    );
  }
}

/** Describes unreadable bytes of an archive file, and why they cannot be read. */
export function holeText({ from, to }: Hole, position: number, error: unknown): string {
  return english`bytes ${position + from} to ${position + to - 1} of the file cannot be read:
    ${describeError(error)}`;
}
