import { stateWord } from '../../catalog/schema/state-words.js';
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

/** A state in words. */
export function State({ state, more }: { state: string; more?: string }) {
  return (
    <span class={`state ${kinds[state] ?? 'over'}`}>
      {stateWord(state)}
      {more ?? ''}
    </span>
  );
}
