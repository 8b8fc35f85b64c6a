import { readSync } from 'node:fs';
import { onFile } from './source-file.js';

/** Bytes of content that are held in memory until their number is known. */
export const unsizedBytes = 64 * 1024 * 1024;

const chunkBytes = 64 * 1024;

/**
 * The content of an open file that says it is empty, as those of procfs and of some FUSE file systems do; empty for one
 * that is. Its size must be known before its header, so it is read into memory; undefined when it is above
 * `unsizedBytes`. Throws `SkipEntry`.
 */
export function readUnsized(fd: number, checkStop: () => void): Buffer | undefined {
  const parts: Buffer[] = [];
  let size = 0;
  for (;;) {
    // One after the other, as the programs do for which such files are made.
    const bytes = onFile(() => readSync(fd, chunk, 0, chunkBytes, null));
    if (bytes === 0) return size === 0 ? nothing : Buffer.concat(parts, size);
    size += bytes;
    if (size > unsizedBytes) return undefined;
    parts.push(Buffer.from(chunk.subarray(0, bytes)));
    checkStop();
  }
}

const nothing = Buffer.alloc(0);
const chunk = Buffer.allocUnsafe(chunkBytes);
