/**
 * Most bytes of texts that the server keeps with a workflow or a step; it refuses what is longer, and then the whole
 * start or workflow task with it. Ours are below the server's defaults (400, 20,000 and 2,048), as JSON, in which they
 * are sent.
 */
const mostBytes = { summary: 200, details: 4000, searchValue: 200, searchList: 2000 } as const;

/** Bytes of a text as it is sent: UTF-8, with JSON's escapes, without its quotes. */
export function sentBytes(text: string): number {
  let bytes = 0;
  for (const character of text) bytes += bytesOf(character);
  return bytes;
}

function bytesOf(character: string): number {
  const code = character.codePointAt(0) ?? 0;
  // A quote, a backslash, a control character, or half of a pair.
  if (code < 0x80 || (code >= 0xd800 && code < 0xe000)) return JSON.stringify(character).length - 2;
  return code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
}

/** The text, or as much of its beginning as fits in so many bytes, in whole characters and with a mark of the cut. */
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

/** The same from the end: of a path it tells more. */
function endOf(text: string, most: number): string {
  const reversed = (part: string) => [...part].reverse().join('');
  return reversed(cutToBytes(reversed(text), most));
}

/** A line about a workflow or a step, as the Temporal UI shows it. */
export function summaryText(text: string): string {
  return cutToBytes(text, mostBytes.summary);
}

/** The longer text that a workflow begins with. */
export function detailsText(text: string): string {
  return cutToBytes(text, mostBytes.details);
}

/** The value of a search attribute that is one word: the end of a long one. */
export function searchText(text: string): string {
  return endOf(text, mostBytes.searchValue);
}

/**
 * The values of a search attribute that is a list, as many as the server takes: the first ones. The catalog has them
 * all.
 */
export function searchList(texts: readonly string[]): string[] {
  const values: string[] = [];
  let left: number = mostBytes.searchList;
  for (const text of texts) {
    const value = searchText(text);
    // Its quotes, and a comma.
    left -= sentBytes(value) + 3;
    if (left < 0) break;
    values.push(value);
  }
  return values;
}
