import { createHash } from 'node:crypto';

/** Numbers from 0 to 1, the same for the same seed: a hash chain. */
function* fractions(seed: string): Generator<number, never> {
  let block = createHash('sha256').update(seed).digest();
  for (;;) {
    for (let at = 0; at < block.length; at += 4) yield block.readUInt32LE(at) / 2 ** 32;
    block = createHash('sha256').update(block).digest();
  }
}

/** Picks the first of a list most often, the second half as often, and so on: as words of a language come (Zipf). */
function picker<Item>(items: readonly Item[], numbers: Generator<number, never>): () => Item {
  const sums: number[] = [];
  for (const rank of items.keys()) sums.push((sums.at(-1) ?? 0) + 1 / (rank + 1));
  const total = sums.at(-1) ?? 0;
  return () => {
    const wanted = numbers.next().value * total;
    let [low, high] = [0, items.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((sums[middle] ?? 0) < wanted) low = middle + 1;
      else high = middle;
    }
    return items[low] as Item;
  };
}

/**
 * Text that compresses as prose does: sentences of words of which some come often, and sometimes a phrase again. Always
 * the same, whatever is installed here.
 */
export function prose(bytes: number, seed: string): Buffer {
  const numbers = fractions(seed);
  const letter = picker([...'etaoinshrdlucmfwypvbgkjqxz'], numbers);
  const upTo = (most: number) => Math.floor(numbers.next().value * most);
  const words = Array.from({ length: 6000 }, () => Array.from({ length: 2 + upTo(8) }, letter).join(''));
  const word = picker(words, numbers);
  const phrases: string[] = [];
  const parts: string[] = [];
  for (let length = 0; length < bytes;) {
    const known = phrases.length > 20 && upTo(5) === 0 ? phrases[upTo(phrases.length)] : undefined;
    const phrase = known ?? Array.from({ length: 3 + upTo(6) }, word).join(' ');
    if (known === undefined) phrases.push(phrase);
    const text = `${phrase}${[', ', ' ', '. ', '.\n'][upTo(4)]}`;
    parts.push(text);
    length += text.length;
  }
  return Buffer.from(parts.join('')).subarray(0, bytes);
}

/**
 * Bytes as those of a program or a database: records of numbers that go up by little, flags that seldom change, and
 * fields that look like nothing.
 */
export function records(bytes: number, seed: string): Buffer {
  const numbers = fractions(seed);
  const upTo = (most: number) => Math.floor(numbers.next().value * most);
  const out = Buffer.alloc(bytes);
  let [address, kind] = [4096, 1];
  for (let at = 0; at + 20 <= bytes; at += 20) {
    address += 4 * upTo(64);
    if (upTo(6) === 0) kind = upTo(12);
    out.writeUInt32LE(address, at);
    out.writeUInt16LE(kind, at + 4);
    out.writeUInt16LE(upTo(3) === 0 ? upTo(256) : 0, at + 6);
    out.writeInt32LE(upTo(2) === 0 ? -upTo(1000) : upTo(1000), at + 8);
    out.writeUInt32LE(upTo(2 ** 32), at + 12);
  }
  return out;
}
