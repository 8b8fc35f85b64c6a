/** First and last number of a range. */
export type NumberRange = [number, number];

/** Ranges of whole numbers: 1 to 4 and 7 to 7 for 1, 2, 3, 4, 7. */
export function toRanges(numbers: readonly number[]): NumberRange[] {
  const pairs: NumberRange[] = [];
  for (const number of [...numbers].sort((a, b) => a - b)) {
    const last = pairs.at(-1);
    if (last !== undefined && number === last[1] + 1) last[1] = number;
    else pairs.push([number, number]);
  }
  return pairs;
}

/** Ranges of whole numbers: `1–4` and `7` for 1, 2, 3, 4, 7. */
export function rangeTexts(numbers: readonly number[]): string[] {
  return toRanges(numbers).map(([first, last]) => (first === last ? String(first) : `${first}–${last}`));
}

/** The same as a text: `1–4, 7`. */
export function formatRanges(numbers: readonly number[]): string {
  return rangeTexts(numbers).join(', ');
}
