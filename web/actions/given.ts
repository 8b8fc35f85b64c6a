import type { Session } from '../../client/session.js';
import { usageFailure } from '../../config/failures.js';
import { english } from '../../messages/sentence.js';

/** The fields of a form; one that is missing is empty. */
export type Fields = (name: string) => string;

/** A command that a form gives: what it is, in words, and what it does. */
export interface Given {
  what: string;
  run(session: Session): Promise<void>;
}

/** What forms ask for, by their paths below `actions/`. */
export type Commands = Record<string, (fields: Fields) => Given>;

/** What cannot be taken back is done only for somebody who has typed what it is done to. */
export function requireTyped(typed: string, name: string): void {
  if (typed === name) return;
  throw usageFailure(
    'NotTyped',
    english`What was typed, ${JSON.stringify(typed)}, is not the name ${name}.`,
    english`Nothing was done.`,
  );
}
