import { readdirSync } from 'node:fs';

/** Number of names sorted as strings; longer listings are kept as sorted runs of packed bytes. */
const defaultRun = 20_000;
/** Separates the names of a packed run; no name contains it. */
const separator = 0;

/**
 * The names in a folder, as byte strings in bytewise order. The folder is listed at once, so that the listing is
 * consistent, but for a folder with a million entries only the bytes of the names stay in memory, a fifth of what
 * strings would take.
 *
 * `opendirSync`, which reads in pieces, does not help: where a file system does not report types (NFS, some FUSE ones)
 * it calls `stat` on every entry, and fails for the whole folder when one is gone.
 *
 * @throws the system's error when the folder cannot be listed.
 */
export function folderNames(where: Buffer, namesPerRun = defaultRun): Iterable<string> {
  const names = readdirSync(where, 'latin1');
  if (names.length <= namesPerRun) return names.sort();
  const runs: Buffer[] = [];
  // From the end, so that the list frees its memory as it shrinks.
  while (names.length > 0) runs.push(packed(names.splice(-namesPerRun)));
  return merged(runs.map(unpacked));
}

function packed(names: string[]): Buffer {
  return Buffer.from(`${names.sort().join('\0')}\0`, 'latin1');
}

function* unpacked(run: Buffer): Generator<string, undefined> {
  for (let at = 0; at < run.length;) {
    const end = run.indexOf(separator, at);
    yield run.toString('latin1', at, end);
    at = end + 1;
  }
}

/** Merges sorted runs: a binary heap of the runs by their next name. */
function* merged(runs: Generator<string, undefined>[]): Generator<string> {
  const heap: { name: string; run: Generator<string, undefined> }[] = [];
  for (const run of runs) {
    const { value: name } = run.next();
    if (name !== undefined) heap.push({ name, run });
  }
  // A sorted array is a valid heap.
  heap.sort((a, b) => (a.name < b.name ? -1 : 1));
  for (let top = heap[0]; top !== undefined; top = heap[0]) {
    yield top.name;
    const { value: name } = top.run.next();
    if (name !== undefined) top.name = name;
    else {
      const last = heap.pop();
      if (last === undefined || last === top) return;
      heap[0] = last;
    }
    sink(heap);
  }
}

function sink(heap: { name: string }[]): void {
  for (let at = 0; ;) {
    const left = 2 * at + 1;
    const here = heap[at];
    const first = heap[left];
    if (here === undefined || first === undefined) return;
    const second = heap[left + 1];
    const child = second !== undefined && second.name < first.name ? left + 1 : left;
    const smaller = heap[child];
    if (smaller === undefined || here.name <= smaller.name) return;
    heap[at] = smaller;
    heap[child] = here;
    at = child;
  }
}
