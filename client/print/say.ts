import { visible } from '../../entry/byte-string.js';

/** Tells something on stderr that is no result: a line for people, or with `--json` an object with a `note`. */
export function sayAside(sentence: string, json: boolean): void {
  process.stderr.write(`${json ? JSON.stringify({ note: sentence }) : visible(sentence)}\n`);
}
