import type { NamesTable } from '../schema/file-tables.js';

const slash = 0x2f;

/**
 * Position of the last part of a member name, counted from 1 as in SQL; a folder's trailing `/` belongs to the part.
 */
export function nameStart(path: Uint8Array): number {
  return path.lastIndexOf(slash, path.length - 2) + 2;
}

/**
 * The smallest bytes after everything with this prefix, as the end of an index range; undefined when there are none.
 */
export function pastBeginning(beginning: Uint8Array): Uint8Array | undefined {
  const past = Buffer.from(beginning);
  for (let end = past.length; end > 0; end -= 1) {
    const last = past[end - 1] ?? 0;
    if (last === 0xff) continue;
    past[end - 1] = last + 1;
    return past.subarray(0, end);
  }
  return undefined;
}

/** How a base name is matched, in byte strings: exactly, by its beginning, or by bytes that it contains. */
export type NameQuery = { exactly: string } | { begins: string } | { holds: string };

/** A list of names, for `names`. */
export type NameChunk = Omit<NamesTable, 'layer'>;

/** An entry to be found by its base name. */
export interface NamedEntry {
  group: number;
  path: Uint8Array;
}

/** The base names of entries that come in the order of their paths: a list for each run of entries of one group. */
export function* nameChunks(entries: readonly NamedEntry[]): Generator<NameChunk> {
  for (let from = 0; from < entries.length;) {
    const first = entries[from];
    if (first === undefined) return;
    let to = from + 1;
    while (entries[to]?.group === first.group) to += 1;
    const parts: Uint8Array[] = [];
    for (const { path } of entries.slice(from, to)) parts.push(path.subarray(nameStart(path) - 1), nul);
    const last = entries[to - 1] ?? first;
    yield { group_no: first.group, first: first.path, last: last.path, names: Buffer.concat(parts) };
    from = to;
  }
}

const nul = Buffer.of(0);
