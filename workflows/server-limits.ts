/**
 * Maximum bytes of texts stored with a workflow or step; the server refuses longer ones, and with them the whole start
 * or workflow task. Ours are below the server's defaults (400, 20,000 and 2,048), measured as JSON, as they are sent.
 */
const maxBytes = { summary: 200, details: 4000, searchValue: 200, searchList: 2000 } as const;

/** Bytes of a text as sent: UTF-8 with JSON escapes, without quotes. */
export function sentBytes(text: string): number {
  let bytes = 0;
  for (const character of text) bytes += bytesOf(character);
  return bytes;
}

function bytesOf(character: string): number {
  const code = character.codePointAt(0) ?? 0;
  // A quote, a backslash, a control character, or a lone surrogate.
  if (code < 0x80 || (code >= 0xd800 && code < 0xe000)) return JSON.stringify(character).length - 2;
  return code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
}

/** The text, or as much of its beginning as fits in that many bytes, in whole characters, with an ellipsis. */
export function cutToBytes(text: string, most: number): string {
  if (sentBytes(text) <= most) return text;
  const mark = '…';
  let kept = '';
  let left = most - bytesOf(mark);
  for (const character of text) {
    left -= bytesOf(character);
    if (left < 0) break;
    kept += character;
  }
  return kept + mark;
}

/** The same from the end, which is more informative for a path. */
function endOf(text: string, most: number): string {
  const reversed = (part: string) => [...part].reverse().join('');
  return reversed(cutToBytes(reversed(text), most));
}

/** A one-line summary of a workflow or step for the Temporal UI. */
export function summaryText(text: string): string {
  return cutToBytes(text, maxBytes.summary);
}

/** The longer details of a workflow. */
export function detailsText(text: string): string {
  return cutToBytes(text, maxBytes.details);
}

/** The value of a keyword search attribute: the end of a long one. */
export function searchText(text: string): string {
  return endOf(text, maxBytes.searchValue);
}

/**
 * The values of a list search attribute: the first ones, as many as the server accepts. The catalog has all of them.
 */
export function searchList(texts: readonly string[]): string[] {
  const values: string[] = [];
  let left: number = maxBytes.searchList;
  for (const text of texts) {
    const value = searchText(text);
    // Its quotes, and a comma.
    left -= sentBytes(value) + 3;
    if (left < 0) break;
    values.push(value);
  }
  return values;
}
