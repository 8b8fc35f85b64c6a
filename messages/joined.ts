import { english } from './sentence.js';

/** Two sentences one after the other; a full-width mark needs no blank after it. */
export function joined(first: string, next: string): string {
  return `${first}${/[。！？：]$/.test(first) ? '' : ' '}${next}`;
}

/** Clauses in one, in English; there is at least one. */
export function clauses(texts: readonly string[]): string {
  return texts.reduce((before, after) => english`${before}, and ${after}`);
}
