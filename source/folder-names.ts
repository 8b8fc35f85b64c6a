import { readdirSync } from 'node:fs';

/** Names that are sorted as strings; of a longer listing every such run is kept as packed bytes. */
const defaultRun = 20_000;
/** Between the names of a packed run: no name holds it. */
const separator = 0;

/**
 * The names in a folder, as byte strings in bytewise order. It is listed at once, so that all is of one moment; but
 * what stays in memory of a folder with a million entries is the bytes of their names, a fifth of what strings would
 * take.
 *
 * `opendirSync`, which reads piece by piece, is of no use: where a file system does not tell types (NFS, some of FUSE)
 * it looks at every entry, and fails for the whole folder when one has gone.
 *
 * @throws the system's error when the folder cannot be listed.
 */
export function folderNames(where: Buffer, namesPerRun = defaultRun): Iterable<string> {
  const names = readdirSync(where, 'latin1');
  if (names.length <= namesPerRun) return names.sort();
  const runs: Buffer[] = [];
  // From the end, so that the list gives its memory back as it goes.
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
  // Sorted is a heap too.
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
