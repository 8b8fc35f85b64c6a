import { createHash } from 'node:crypto';
import { closeSync, constants, openSync, readSync } from 'node:fs';
import type { WantedMember } from './unpack-options.js';
import type { EntryStats } from './put-metadata.js';

/**
 * Opens the file that lies at a member's place if it may have the member's content, by its size alone; undefined where
 * it cannot. The caller closes it. Throws system errors.
 *
 * @param there what lies there, without following a link.
 */
export function openIfAlike(path: Buffer, member: WantedMember, there: EntryStats): number | undefined {
  if (!there.isFile() || Number(there.size) !== member.size || member.sha256 === null) return undefined;
  // Should a FIFO have come into its place meanwhile, nobody waits for its other end.
  const { O_RDONLY, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants;
  return openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
}

/** True when an open file has the content of the member, by its SHA-256. Throws system errors. */
export function hasContentOf(fd: number, member: WantedMember): boolean {
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafe(256 * 1024);
  for (;;) {
    const bytes = readSync(fd, buffer, 0, buffer.length, null);
    if (bytes === 0) break;
    hash.update(buffer.subarray(0, bytes));
  }
  return hash.digest('hex') === member.sha256;
}

/** Closes a descriptor after its use. */
export function withOpen<Result>(fd: number, use: (fd: number) => Result): Result {
  try {
    return use(fd);
  } finally {
    closeSync(fd);
  }
}
