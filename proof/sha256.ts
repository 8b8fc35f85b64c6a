/**
 * SHA-256 (FIPS 180-4) and HMAC (RFC 2104) in plain JavaScript: workflow code is replayed in a sandbox without crypto.
 * A test compares them with Node's.
 */

/**
 * The first 32 bits of the fractions of the cube roots of the first 64 primes, and of the square roots of the first 8.
 */
const rounds = new Uint32Array(64);
const beginning = new Uint32Array(8);
{
  const fraction = (root: number) => (root - Math.floor(root)) * 0x1_0000_0000;
  let found = 0;
  for (let number = 2; found < 64; number += 1) {
    let divisor = 2;
    while (number % divisor !== 0) divisor += 1;
    if (divisor < number) continue;
    rounds[found] = fraction(Math.cbrt(number));
    if (found < 8) beginning[found] = fraction(Math.sqrt(number));
    found += 1;
  }
}

const blockBytes = 64;

/** Bytes as SHA-256 takes them: followed by a one bit, zeros, and the length in bits. */
function padded(bytes: Uint8Array): Uint8Array {
  const whole = new Uint8Array(Math.ceil((bytes.length + 9) / blockBytes) * blockBytes);
  whole.set(bytes);
  whole[bytes.length] = 0x80;
  const view = new DataView(whole.buffer);
  view.setUint32(whole.length - 8, Math.floor(bytes.length / 0x2000_0000));
  view.setUint32(whole.length - 4, (bytes.length << 3) >>> 0);
  return whole;
}

/** The 32 bytes of the SHA-256 of some bytes. */
export function sha256(bytes: Uint8Array): Uint8Array {
  const whole = padded(bytes);
  const view = new DataView(whole.buffer);
  const state = beginning.slice();
  const words = new Uint32Array(64);
  for (let at = 0; at < whole.length; at += blockBytes) {
    for (let i = 0; i < 16; i += 1) words[i] = view.getUint32(at + i * 4);
    addBlock(state, words);
  }
  const hash = new Uint8Array(32);
  state.forEach((word, i) => new DataView(hash.buffer).setUint32(i * 4, word));
  return hash;
}

const turned = (word: number, by: number): number => (word >>> by) | (word << (32 - by));

function addBlock(state: Uint32Array, words: Uint32Array): void {
  const word = (i: number): number => words[i] as number;
  for (let i = 16; i < 64; i += 1) {
    const [x, y] = [word(i - 15), word(i - 2)];
    const small0 = turned(x, 7) ^ turned(x, 18) ^ (x >>> 3);
    const small1 = turned(y, 17) ^ turned(y, 19) ^ (y >>> 10);
    words[i] = word(i - 16) + small0 + word(i - 7) + small1;
  }
  let [a, b, c, d, e, f, g, h] = state as unknown as [
    ...[number, number, number, number],
    ...[number, number, number, number],
  ];
  for (let i = 0; i < 64; i += 1) {
    const big1 = turned(e, 6) ^ turned(e, 11) ^ turned(e, 25);
    const first = (h + big1 + ((e & f) ^ (~e & g)) + (rounds[i] as number) + word(i)) | 0;
    const big0 = turned(a, 2) ^ turned(a, 13) ^ turned(a, 22);
    const second = (big0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    [h, g, f, e] = [g, f, e, (d + first) | 0];
    [d, c, b, a] = [c, b, a, (first + second) | 0];
  }
  [a, b, c, d, e, f, g, h].forEach((value, i) => (state[i] = (state[i] as number) + value));
}

/** The 32 bytes of the HMAC-SHA-256 of some bytes. */
export function hmacSha256(key: Uint8Array, bytes: Uint8Array): Uint8Array {
  const block = new Uint8Array(blockBytes);
  block.set(key.length > blockBytes ? sha256(key) : key);
  const withKey = (mask: number, rest: Uint8Array): Uint8Array => {
    const whole = new Uint8Array(blockBytes + rest.length);
    block.forEach((byte, i) => (whole[i] = byte ^ mask));
    whole.set(rest, blockBytes);
    return sha256(whole);
  };
  return withKey(0x5c, withKey(0x36, bytes));
}
