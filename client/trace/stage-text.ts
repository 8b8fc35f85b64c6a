import { stateWord } from '../../catalog/schema/state-words.js';
import { english } from '../../messages/sentence.js';
import { shown } from '../../messages/shown.js';

/** Stages that are no state of a group or a set. */
const ownStages = [
  english`promoting`,
  english`final_visible`,
  english`final_timeout`,
  english`taken_up`,
  english`found_on_tape`,
  english`synced`,
  english`read`,
  english`copied`,
  english`tape_lost`,
];

/** The stage of an event: its name in English, as in the logs, and else a word where there is one. */
export function stageText(stage: string): string {
  if (ownStages.includes(stage)) return shown(stage);
  const word = stateWord(stage);
  const told = shown(word);
  return told === word ? stage : told;
}
