/** Two sentences one after the other; a full-width mark needs no blank after it. */
export function joined(first: string, next: string): string {
  return `${first}${/[。！？：]$/.test(first) ? '' : ' '}${next}`;
}
