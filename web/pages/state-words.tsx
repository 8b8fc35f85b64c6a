import { stateWord } from '../../catalog/schema/state-words.js';
import { shown } from '../../messages/shown.js';
/** What a state means for whoever looks: it is colour besides the word, never instead of it. */
const kinds: Record<string, 'good' | 'busy' | 'wanted' | 'bad' | 'over'> = {
  completed: 'good',
  usable: 'good',
  scanning: 'busy',
  running: 'busy',
  waiting_for_tape: 'wanted',
  paused: 'wanted',
  full: 'over',
  completed_with_skips: 'wanted',
  incomplete: 'wanted',
  suspect: 'bad',
  failed: 'bad',
  lost: 'bad',
  erasing: 'wanted',
};

const stateText = (state: string) => shown(stateWord(state));

/** What a text that begins with a state says besides; without the mark after the state. */
export function afterState(text: string, state: string): string {
  const word = stateText(state);
  return text.startsWith(word) ? text.slice(word.length).replace(/^，/, '') : text;
}

/** A state in words. @param text those words, where they say more than the state. */
export function State({ state, text = stateText(state) }: { state: string; text?: string }) {
  return <span class={`state ${kinds[state] ?? 'over'}`}>{text}</span>;
}
