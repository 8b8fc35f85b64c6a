import { isUtf8 } from 'node:buffer';

/**
 * File names are bytes, not text. Inside tapeflow a name is a "byte string": a string in which every character is one
 * byte (latin1), so that names in any encoding survive, sort bytewise and are cheap to slice.
 */

/** The bytes of a byte string, for the file system and the catalog. */
export function toBytes(byteString: string): Buffer {
  return Buffer.from(byteString, 'latin1');
}

/** The byte string of some bytes. */
export function fromBytes(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

/** The byte string of a text: its UTF-8 bytes. */
export function fromText(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** True when every byte is ASCII: then the byte string is its own text. */
export function isAscii(byteString: string): boolean {
  // eslint-disable-next-line no-control-regex -- this is what ASCII is
  return /^[\x00-\x7f]*$/.test(byteString);
}

/** The exact text of a byte string; undefined when it is not valid UTF-8. */
export function exactText(byteString: string): string | undefined {
  const bytes = toBytes(byteString);
  return isUtf8(bytes) ? bytes.toString('utf8') : undefined;
}

/**
 * A name for people, on one line and without an effect on a terminal; no two names look the same. UTF-8 where the name
 * is valid, else every byte above ASCII as `\xHH`. Whatever a terminal would interpret or hide is escaped byte by byte
 * too, a newline as `\n`, a backslash as `\\`. `parseDisplayName` is the inverse.
 */
export function displayName(byteString: string): string {
  const text = exactText(byteString);
  const shown = (text ?? byteString).replaceAll('\\', '\\\\');
  return text === undefined ? shown.replace(/[^\x20-\x7e]/g, escapeByte) : escapeForTerminal(shown);
}

/** The byte string of a name as `displayName` shows it. */
export function parseDisplayName(shown: string): string {
  return fromText(shown).replace(/\\(\\|n|x[0-9a-f]{2})/g, (_, what: string) =>
    what === 'n' ? '\n' : what === '\\' ? what : String.fromCharCode(parseInt(what.slice(1), 16)),
  );
}

/**
 * What must not reach a terminal as it is: control characters (C0, DEL, C1), which can move the cursor or act as
 * commands, and characters that are invisible, break a line or change the direction of writing.
 */
// eslint-disable-next-line no-control-regex -- see above
const invisible = /[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** Escapes everything in a text that a terminal would interpret or hide. */
export function escapeForTerminal(text: string): string {
  return text.replace(invisible, (character) => fromText(character).replace(/[^]/g, escapeByte));
}

function escapeByte(character: string): string {
  if (character === '\n') return '\\n';
  return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
}
