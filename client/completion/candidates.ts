import { shown } from '../../messages/shown.js';
import type { CommandEntry } from '../command-tree.js';
import { completedLine } from './completed.js';

/** What a shell is told: one candidate on each line, behind a first line that says what they are. */
export interface Candidates {
  /**
   * `words`: the candidates are all. `names`: the same, and some must be quoted. `files` and `folders`: the shell's own
   * names come besides.
   */
  kind: 'words' | 'names' | 'files' | 'folders';
  candidates: { word: string; description: string }[];
}

/** Characters that mean nothing to a shell. */
const plain = /^[\w@%+=:,./-]*$/;

/**
 * The candidates for the last one of some words after `tapeflow`.
 *
 * @param kept characters at the beginning of the last word that the shell does not replace.
 */
export async function candidatesFor(
  program: CommandEntry,
  words: readonly string[],
  kept = 0,
): Promise<Candidates> {
  const { words: known, value, before, begun } = completedLine(program, words);
  const found = known.map(({ word, description }) => ({ word, description: shown(description) }));
  let kind: Candidates['kind'] = 'words';
  if (value !== undefined) {
    // Loaded only here: commands and options need no catalog.
    const { placesFor, valuesOf } = await import('./values.js');
    const values = await valuesOf(value);
    const fitting = values.filter(({ word }) => word.startsWith(begun) && !hasControls(word));
    found.push(...fitting.map(({ word, description }) => ({ word: before + word, description })));
    kind = placesFor(value) ?? 'words';
  }
  if (kind === 'words' && found.some(({ word }) => !plain.test(word))) kind = 'names';
  const candidates = found.map(({ word, description }) => ({
    word: word.slice(kept),
    description: oneLine(description),
  }));
  return { kind, candidates };
}

/** A name with a line break or a terminal's escape cannot be told to a shell. */
function hasControls(word: string): boolean {
  return /\p{Cc}/u.test(word);
}

function oneLine(text: string): string {
  return text.replace(/\p{Cc}+/gu, ' ');
}
