import { readFileSync } from 'node:fs';
import type { CommandEntry } from './command-tree.js';

/** Every command, as the build has written it down: loading them all takes longer than anybody waits for a key. */
export function builtTree(): CommandEntry {
  return JSON.parse(readFileSync(new URL('./command-tree.json', import.meta.url), 'utf8')) as CommandEntry;
}
