/** First and last number of a range. */
export type NumberPair = [number, number];

/** Ranges of whole numbers: 1 to 4 and 7 to 7 for 1, 2, 3, 4, 7. */
export function pairsOf(numbers: readonly number[]): NumberPair[] {
  const pairs: NumberPair[] = [];
  for (const number of [...numbers].sort((a, b) => a - b)) {
    const last = pairs.at(-1);
    if (last !== undefined && number === last[1] + 1) last[1] = number;
    else pairs.push([number, number]);
  }
  return pairs;
}

/** Ranges of whole numbers: `1–4` and `7` for 1, 2, 3, 4, 7. */
export function rangesOf(numbers: readonly number[]): string[] {
  return pairsOf(numbers).map(([first, last]) => (first === last ? String(first) : `${first}–${last}`));
}

/** The same as a text: `1–4, 7`. */
export function numberRanges(numbers: readonly number[]): string {
  return rangesOf(numbers).join(', ');
}
