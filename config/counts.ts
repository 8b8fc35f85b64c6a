/** A number for people: `9,236`. A whole one is grouped here: Node's own way first loads its tables of languages. */
export function formatNumber(number: number): string {
  if (!Number.isSafeInteger(number)) return number.toLocaleString('en');
  return String(number).replace(/\B(?=(?:\d{3})+$)/g, ',');
}

/** A number with its noun: `1 archive`, `9,236 entries`. `many` is the plural where it is not `one` with an `s`. */
export function formatCount(number: number, one: string, many = `${one}s`): string {
  return `${formatNumber(number)} ${number === 1 ? one : many}`;
}
