import { t } from '../messages/shown.js';

/** What commander says of a wrong use, with its values, and the same in the reader's language. */
const errors: [RegExp, (...values: string[]) => string][] = [
  [/^unknown option '(.*)'$/, (option = '') => t`unknown option '${option}'`],
  [/^unknown command '(.*)'$/, (command = '') => t`unknown command '${command}'`],
  [/^missing required argument '(.*)'$/, (argument = '') => t`missing required argument '${argument}'`],
  [/^option '(.*)' argument missing$/, (option = '') => t`option '${option}' argument missing`],
  [/^required option '(.*)' not specified$/, (option = '') => t`required option '${option}' not specified`],
  [
    /^too many arguments for '(.*)'\. Expected (\d+) (arguments?) but got (\d+)\.$/,
    (command = '', expected = '', noun = '', got = '') =>
      t`too many arguments for '${command}'. Expected ${expected} ${noun} but got ${got}.`,
  ],
  [/^\(Did you mean one of (.*)\?\)$/, (words = '') => t`(Did you mean one of ${words}?)`],
  [/^\(Did you mean (.*)\?\)$/, (word = '') => t`(Did you mean ${word}?)`],
];

/** An error of commander in the reader's language, line by line. */
export function shownUsageError(text: string): string {
  return text
    .split('\n')
    .map((line) => {
      for (const [regex, told] of errors) {
        const match = regex.exec(line);
        if (match !== null) return told(...match.slice(1));
      }
      return line;
    })
    .join('\n');
}
