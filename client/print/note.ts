import { escapeForTerminal } from '../../entry/byte-string.js';

/** Prints a note on stderr: a line for people, or with `--json` an object with `note`. */
export function printNote(sentence: string, json: boolean): void {
  process.stderr.write(`${json ? JSON.stringify({ note: sentence }) : escapeForTerminal(sentence)}\n`);
}
