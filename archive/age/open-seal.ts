import { closeSync } from 'node:fs';
import { openArchive, readFromTape } from '../readers/archive-file.js';
import { english } from '../../messages/sentence.js';
import { payloadNonceBytes, type PayloadKey } from './age-format.js';
import { headerBytes, payloadKey } from './seal.js';

/** Bytes of a file in which its header must end: far more than a hundred recipients take. */
const longestBegin = 64 * 1024;

/** An encrypted file that cannot be opened; the message is a part of a sentence about the file. */
export class NotOpened extends Error {
  /** @param isDamaged it is damaged, or no file of age: no identity would open it. */
  constructor(
    message: string,
    readonly isDamaged: boolean,
  ) {
    super(message);
  }
}

/** An encrypted file that was opened. */
export interface Opened {
  key: PayloadKey;
  /** What the file begins with: header and nonce. */
  begin: Buffer;
}

/**
 * Opens an encrypted file by its beginning, header and nonce; what follows is not looked at.
 *
 * @param identities secret keys, `AGE-SECRET-KEY-1…`. Throws `NotOpened`.
 */
export async function openSeal(start: Buffer, identities: readonly string[]): Promise<Opened> {
  const end = headerBytes(start);
  const begins = end + payloadNonceBytes;
  if (end < 0 || start.length < begins) throw new NotOpened(english`its age header is damaged`, true);
  const { Decrypter } = await import('age-encryption');
  const decrypter = new Decrypter();
  for (const identity of identities) decrypter.addIdentity(identity);
  let fileKey: Uint8Array;
  try {
    fileKey = await decrypter.decryptHeader(new Uint8Array(start.subarray(0, end)));
  } catch (error) {
    const isOther = error instanceof Error && error.message.startsWith('no identity matched');
    throw isOther
      ? new NotOpened(english`no identity here opens it: it is encrypted to other keys`, false)
      : new NotOpened(english`its age header is damaged`, true);
  }
  const key = { key: payloadKey(fileKey, start.subarray(end, begins)), begins };
  return { key, begin: start.subarray(0, begins) };
}

/** The same for a file on a tape. */
export async function openSealedFile(path: string, identities: readonly string[]): Promise<Opened> {
  const { fd, size } = openArchive(path);
  try {
    const start = Buffer.alloc(Math.min(longestBegin, size));
    const { bytes } = await readFromTape(fd, start, 0, false);
    return await openSeal(start.subarray(0, bytes), identities);
  } finally {
    closeSync(fd);
  }
}
