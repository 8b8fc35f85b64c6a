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

/** A text for people: UTF-8 where it is valid, else each wrong byte as `\xHH`; control characters are escaped too. */
export function toText(byteString: string): string {
  const bytes = toBytes(byteString);
  const text = bytes.toString('utf8');
  const shown = Buffer.from(text, 'utf8').equals(bytes)
    ? text
    : byteString.replace(/[\x80-\xff]/g, hexEscape);
  // eslint-disable-next-line no-control-regex -- control characters in a name must not reach a terminal
  return shown.replace(/[\x00-\x1f\x7f]/g, (character) =>
    character === '\n' ? '\\n' : hexEscape(character),
  );
}

function hexEscape(character: string): string {
  return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
}
