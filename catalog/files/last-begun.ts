/**
 * Of ranges of names in their order, the last one that begins at a name or before it; the first one where none does,
 * and undefined where there are none.
 */
export function lastBegun<Range>(
  ranges: readonly Range[],
  firstOf: (range: Range) => Uint8Array,
  name: Uint8Array,
): Range | undefined {
  let [from, to] = [0, ranges.length];
  while (to - from > 1) {
    const middle = (from + to) >> 1;
    const range = ranges[middle];
    if (range !== undefined && Buffer.compare(name, firstOf(range)) < 0) to = middle;
    else from = middle;
  }
  return ranges[from];
}
