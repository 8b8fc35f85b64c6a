/** The words of a command line up to the cursor. */
export interface ShellLine {
  /** Without their quotes; the last one is being written, and may be empty. */
  words: string[];
  /** How many characters of the last word stand before the part that bash replaces. */
  kept: number;
}

/**
 * Reads a line of bash as its words: quotes and backslashes are taken off, and nothing in it is run. What stands after
 * an unquoted character of `breaks` (`COMP_WORDBREAKS`) is a word of its own to readline, which replaces only that.
 */
export function readShellLine(line: string, breaks: string): ShellLine {
  const words: string[] = [];
  let word = '';
  let kept = 0;
  let isOpen = false;
  let quote = '';
  for (let at = 0; at < line.length; at += 1) {
    const char = line[at] ?? '';
    const next = line[at + 1];
    if (quote === '' && /\s/.test(char)) {
      if (isOpen) words.push(word);
      [word, kept, isOpen] = ['', 0, false];
      continue;
    }
    isOpen = true;
    if (char === quote) quote = '';
    else if (quote === '' && (char === '"' || char === "'")) quote = char;
    else if (char === '\\' && next !== undefined && isEscaped(quote, next)) {
      word += next;
      at += 1;
    } else {
      word += char;
      if (quote === '' && breaks.includes(char)) kept = word.length;
    }
  }
  return { words: [...words, word], kept };
}

/** A backslash means the next character: anywhere outside of quotes, and before a few characters within double ones. */
function isEscaped(quote: string, next: string): boolean {
  return quote === '' || (quote === '"' && '"\\$`'.includes(next));
}
