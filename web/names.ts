import { toBytes } from '../entry/byte-string.js';

/** A name as a part of an address: its bytes, of which only what is plain everywhere stays as it is. */
export function encodeName(byteString: string): string {
  let encoded = '';
  for (const byte of toBytes(byteString)) {
    const character = String.fromCharCode(byte);
    encoded += /[A-Za-z0-9_~/-]/.test(character)
      ? character
      : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return encoded;
}

/** The byte string of a name in an address. */
export function decodeName(encoded: string): string {
  return encoded.replace(/%([\da-f]{2})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
}

/** What the address of a request gives for a name; undefined when it is not there. `url`: as it came. */
export function nameIn(url: string, key: string): string | undefined {
  const query = url.split('#', 1)[0]?.split('?').slice(1).join('?') ?? '';
  const found = query.split('&').find((part) => part.startsWith(`${key}=`));
  return found === undefined ? undefined : decodeName(found.slice(key.length + 1).replaceAll('+', ' '));
}
