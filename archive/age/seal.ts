import { createCipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { english } from '../../messages/sentence.js';
import {
  chunkBytes,
  chunkNonce,
  cipher,
  payloadNonceBytes,
  sealedChunkBytes,
  tagBytes,
} from './age-format.js';

const none = Buffer.alloc(0);

/**
 * Encrypts one file to age recipients: the header is made by the package `age-encryption`, the chunks by Node's own
 * OpenSSL, which is ten times as fast.
 */
export class Seal {
  private readonly held = Buffer.allocUnsafe(chunkBytes);
  private used = 0;
  private chunks = 0;

  private constructor(
    /** What the file begins with: header and nonce. */
    readonly begin: Buffer,
    private readonly key: Uint8Array,
  ) {}

  /** A new file key for these recipients. Throws `WrongRecipient`. */
  static async to(recipients: readonly string[]): Promise<Seal> {
    const { Encrypter } = await import('age-encryption');
    let fileKey: Uint8Array | undefined;
    const encrypter = new Encrypter();
    for (const recipient of recipients) {
      try {
        encrypter.addRecipient(recipient);
      } catch {
        throw new WrongRecipient(recipient);
      }
    }
    // One more recipient learns the file key, and adds nothing to the header.
    encrypter.addRecipient({
      wrapFileKey(key) {
        fileKey = key;
        return [];
      },
    });
    const empty = Buffer.from(await encrypter.encrypt(new Uint8Array(0)));
    if (fileKey === undefined) throw new Error('age-encryption made no file key');
    const header = empty.subarray(0, headerBytes(empty));
    // A nonce of its own, since that of the empty file has been used with its key.
    const nonce = randomBytes(payloadNonceBytes);
    return new Seal(Buffer.concat([header, nonce]), payloadKey(fileKey, nonce));
  }

  /** The next part of the content; returns what is to be written of the file now. */
  add(content: Buffer): Buffer {
    const count = Math.ceil((this.used + content.length) / chunkBytes) - 1;
    // A full chunk is held until more follows: the last one is marked.
    if (count <= 0) {
      this.used += content.copy(this.held, this.used);
      return none;
    }
    const sealed = Buffer.allocUnsafe(count * sealedChunkBytes);
    let at = 0;
    for (let done = 0; done < count; done += 1) {
      let chunk: Buffer;
      if (this.used > 0) {
        at = content.copy(this.held, this.used);
        chunk = this.held;
        this.used = 0;
      } else {
        chunk = content.subarray(at, at + chunkBytes);
        at += chunkBytes;
      }
      this.sealChunk(chunk, false, sealed, done * sealedChunkBytes);
    }
    this.used = content.copy(this.held, 0, at);
    return sealed;
  }

  /** The last chunk; nothing may be added afterwards. */
  end(): Buffer {
    const sealed = Buffer.allocUnsafe(this.used + tagBytes);
    this.sealChunk(this.held.subarray(0, this.used), true, sealed, 0);
    return sealed;
  }

  private sealChunk(content: Buffer, isLast: boolean, into: Buffer, at: number): void {
    const nonce = chunkNonce(this.chunks, isLast);
    this.chunks += 1;
    const encrypt = createCipheriv(cipher, this.key, nonce, { authTagLength: tagBytes });
    encrypt.update(content).copy(into, at);
    encrypt.final();
    encrypt.getAuthTag().copy(into, at + content.length);
  }
}

/** A recipient that age's X25519 keys do not have the form of. */
export class WrongRecipient extends Error {
  constructor(readonly recipient: string) {
    super(english`${JSON.stringify(recipient)} is no recipient of age`);
  }
}

/** The key of a file's chunks. */
export function payloadKey(fileKey: Uint8Array, nonce: Uint8Array): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', fileKey, nonce, 'payload', 32));
}

/** Bytes of the header at the start of a file, with the line feed at its end; -1 when it does not end there. */
export function headerBytes(begin: Buffer): number {
  const last = begin.indexOf('\n--- ');
  const end = last < 0 ? -1 : begin.indexOf('\n', last + 1);
  return end < 0 ? -1 : end + 1;
}
