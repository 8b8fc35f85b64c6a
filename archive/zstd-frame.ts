/** One zstd frame as the packer makes it. */
export interface ZstdFrame {
  /** Bytes of the whole frame. */
  bytes: number;
  /** Bytes of what it holds. */
  contentBytes: number;
}

const magic = 0xfd2fb528;
const checksumBytes = 4;
/** Bytes of a dictionary's id, and of the content's size, by their flags in the frame's descriptor (RFC 8878, 3.1.1.1). */
const idBytes = [0, 1, 2, 4];
const sizeBytes = [0, 2, 4, 8];

/**
 * The frame that some bytes begin with (RFC 8878, 3.1.1), found by its blocks' headers alone. Undefined for any other bytes, and
 * for a frame without the size of its content or without a checksum. It may be longer than the bytes are.
 */
export function zstdFrame(data: Buffer): ZstdFrame | undefined {
  if (data.length < 6 || data.readUInt32LE(0) !== magic) return undefined;
  const descriptor = data.readUInt8(4);
  const isSingle = (descriptor & 0x20) !== 0;
  const hasChecksum = (descriptor & 0x04) !== 0;
  const isReserved = (descriptor & 0x08) !== 0;
  const sizeField = descriptor >> 6 === 0 && isSingle ? 1 : (sizeBytes[descriptor >> 6] ?? 0);
  const sizeAt = 5 + (isSingle ? 0 : 1) + (idBytes[descriptor & 0x03] ?? 0);
  if (isReserved || !hasChecksum || sizeField === 0 || data.length < sizeAt + sizeField) return undefined;
  const contentBytes =
    sizeField === 8
      ? Number(data.readBigUInt64LE(sizeAt))
      : data.readUIntLE(sizeAt, sizeField) + (sizeField === 2 ? 256 : 0);
  for (let at = sizeAt + sizeField; ;) {
    // A block that is not there ends a frame that was cut short.
    if (at + 3 > data.length) return { bytes: at + 3 + checksumBytes, contentBytes };
    const header = data.readUIntLE(at, 3);
    const [isLast, type, size] = [(header & 1) === 1, (header >> 1) & 3, header >> 3];
    if (type === 3) return undefined;
    // One byte stands for a block of equal ones.
    at += 3 + (type === 1 ? 1 : size);
    if (isLast) return { bytes: at + checksumBytes, contentBytes };
  }
}
