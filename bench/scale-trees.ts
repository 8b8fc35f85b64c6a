import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** A small generator of numbers from a seed (mulberry32), from 0 to 1. */
export function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const words = ['report', 'index', 'draft', 'photo', 'module', 'test', 'notes', 'invoice', 'backup', 'main'];
const endings = ['txt', 'js', 'json', 'md', 'jpg', 'conf', 'log', 'pdf'];

/**
 * Makes `count` small files from a seed, in folders of `perFolder`; names that repeat, as real ones do, and unique
 * ones. Each has a number, and so many words.
 */
export function makeTree(root: string, count: number, perFolder: number, seed = 1, wordsEach = 0): void {
  rmSync(root, { recursive: true, force: true });
  const random = randomFrom(seed);
  const oneOf = (list: readonly string[]) => list[Math.floor(random() * list.length)] ?? '';
  let folder = '';
  for (let i = 0; i < count; i += 1) {
    if (i % perFolder === 0) {
      const no = String(Math.floor(i / perFolder)).padStart(6, '0');
      folder = perFolder >= count ? root : path.join(root, no.slice(0, 3), `${oneOf(words)}-${no}`);
      mkdirSync(folder, { recursive: true });
    }
    const name = `${oneOf(words)}-${Math.floor(random() * 1e6).toString(36)}-${i}.${oneOf(endings)}`;
    const text = Array.from({ length: wordsEach }, () => ` ${oneOf(words)}`).join('');
    writeFileSync(path.join(folder, i % perFolder === 1 ? 'index.html' : name), `${i}${text}\n`);
  }
}
