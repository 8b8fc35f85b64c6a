import { inflateRaw } from 'node:zlib';
import { zstdFrame } from '../blocks/zstd-frame.js';
import { english } from '../../messages/sentence.js';
import { ArchiveDamaged } from './archive-file.js';

/** Bytes of a gzip member's header without optional fields, and of its trailer (RFC 1952, 2.3). */
export const headBytes = 10;

const endBytes = 8;

/** ID, method and flags of a member without optional fields: the packer writes none. */
export const plainHead = Buffer.from([0x1f, 0x8b, 0x08, 0x00]);

/** What a zstd frame begins with (RFC 8878, 3.1.1). */
export const zstdMagic = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);

/** Not a block made by the packer; this is damage only after other blocks. */
export class NoBlock extends ArchiveDamaged {}

/** Bytes of the zstd frame at the start of some bytes; undefined if the packer did not make it. */
export function frameBytes(ahead: Buffer, most: number): number | undefined {
  const frame = zstdFrame(ahead);
  return frame === undefined || frame.contentBytes > most ? undefined : frame.bytes;
}

/** Bytes of the gzip member at the start of some bytes; undefined if the packer did not make it. */
export async function memberBytes(ahead: Buffer, most: number, what: string): Promise<number | undefined> {
  if (!ahead.subarray(0, 4).equals(plainHead)) return undefined;
  return headBytes + (await deflatedBytes(ahead.subarray(headBytes), most, what)) + endBytes;
}

/** Bytes of the deflate stream (RFC 1951) at the start of some bytes. */
function deflatedBytes(bytes: Buffer, most: number, what: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const options = { chunkSize: most + 1, maxOutputLength: most, info: true };
    inflateRaw(bytes, options, (error, result) => {
      if (error === null) {
        // With `info`, the result has the buffer and the engine; the engine's `bytesWritten` counts its input.
        resolve((result as unknown as { engine: { bytesWritten: number } }).engine.bytesWritten);
      } else if ('code' in error && error.code === 'ERR_BUFFER_TOO_LARGE')
        reject(new NoBlock(english`${what} is larger than a block`));
      else reject(new ArchiveDamaged(english`${what} is damaged (${error.message})`));
    });
  });
}
