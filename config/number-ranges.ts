/** Ranges of whole numbers: `1–4` and `7` for 1, 2, 3, 4, 7. */
export function rangesOf(numbers: readonly number[]): string[] {
  const sorted = [...numbers].sort((a, b) => a - b);
  const ranges: string[] = [];
  for (let i = 0; i < sorted.length;) {
    let end = i;
    while (sorted[end + 1] === (sorted[end] ?? 0) + 1) end += 1;
    ranges.push(end === i ? String(sorted[i]) : `${sorted[i]}–${sorted[end]}`);
    i = end + 1;
  }
  return ranges;
}

/** The same as a text: `1–4, 7`. */
export function numberRanges(numbers: readonly number[]): string {
  return rangesOf(numbers).join(', ');
}
