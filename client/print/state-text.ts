import { stateWord } from '../../catalog/schema/state-words.js';
import { shown, t } from '../../messages/shown.js';

/** The state of a set or a group, and why it is so. */
export function stateText({ status, reason }: { status: string; reason: string | null }): string {
  const state = shown(stateWord(status));
  return reason === null ? state : `${state}${t`: `}${shown(reason)}`;
}
