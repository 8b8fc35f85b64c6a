import { recordBytes } from './tar-records.js';

/** A ustar header as node-tar makes it, without checksum, name, size and time: the same for many members. */
export function ustarBlock(flag: string, mode: number, owner: readonly number[]): Buffer | undefined {
  const numbers = [mode, ...owner].map((number) => octalField(number, 8));
  if (numbers.some((field) => field.length > 8)) return undefined;
  const block = Buffer.alloc(recordBytes);
  block.write(numbers.join(''), 100, 'latin1');
  block.fill(0x20, 148, 156);
  block.write(flag, 156, 'latin1');
  block.write('ustar\x0000', 257, 'latin1');
  block.write(octalField(0, 8).repeat(2), 329, 'latin1');
  return block;
}

/** Writes a number to a 12-byte field, and returns the sum of its bytes. */
export function putOctal(block: Buffer, at: number, value: number): number {
  const text = octalField(value, 12);
  block.write(text, at, 'latin1');
  let sum = 0;
  for (let i = 0; i < 12; i += 1) sum += text.charCodeAt(i);
  return sum;
}

/** A number as node-tar writes it: with a space and NUL at its end, or a NUL alone where both have no room. */
function octalField(value: number, bytes: number): string {
  const digits = value.toString(8);
  return digits.length === bytes - 1 ? `${digits}\0` : `${digits.padStart(bytes - 2, '0')} \0`;
}

/** Writes the checksum of a block; `sum`: of its bytes, with spaces in place of the checksum. */
export function putChecksum(block: Buffer, at: number, sum: number): void {
  block.write(`${sum.toString(8).padStart(6, '0')} \0`, at + 148, 'latin1');
}
