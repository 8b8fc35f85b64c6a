/** A number for people: `9,236`. */
export function formatNumber(number: number): string {
  return number.toLocaleString('en');
}

/** A number with its noun: `1 archive`, `9,236 entries`. `many` is the plural where it is not `one` with an `s`. */
export function formatCount(number: number, one: string, many = `${one}s`): string {
  return `${formatNumber(number)} ${number === 1 ? one : many}`;
}
