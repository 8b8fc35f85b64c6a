import { english } from '../messages/sentence.js';
import { shown } from '../messages/shown.js';

const value = '';

/** What commander says of a wrong use, which `shown` knows again by these templates. */
export const usageErrors = [
  english`unknown option '${value}'`,
  english`unknown command '${value}'`,
  english`missing required argument '${value}'`,
  english`option '${value}' argument missing`,
  english`required option '${value}' not specified`,
  english`too many arguments for '${value}'. Expected ${value} ${value} but got ${value}.`,
  english`(Did you mean one of ${value}?)`,
  english`(Did you mean ${value}?)`,
];

/** An error of commander in the reader's language, line by line. */
export function shownUsageError(text: string): string {
  return text.split('\n').map(shown).join('\n');
}
