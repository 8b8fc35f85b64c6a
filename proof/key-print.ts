import { createHash } from 'node:crypto';

/**
 * What tells two keys apart, and gives none away: the beginning of the SHA-256 of 32 random bytes. It may be in the
 * catalog, which others may read.
 */
export function keyPrint(key: string): string {
  return createHash('sha256').update(`tapeflow message.key ${key}`).digest('hex').slice(0, 32);
}
