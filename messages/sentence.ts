/** What a sentence tells: a name, a number, another sentence. */
export type Value = string | number;

/** A sentence with its values apart: `Set {0} is complete.` and the name of the set. */
export interface Sentence {
  /** The English sentence, with `{0}`, `{1}` … in place of the values. Its key in the catalogues of messages. */
  key: string;
  values: readonly Value[];
}

const keys = new WeakMap<TemplateStringsArray, string>();

/** The parts of a template literal as one key. A line break in it, with what indents the next line, is one space. */
function keyOf(strings: TemplateStringsArray): string {
  let key = keys.get(strings);
  if (key === undefined) {
    key = strings
      .map((part, index) => (index === 0 ? part : `{${index - 1}}${part}`))
      .join('')
      .replace(/\s*\n\s*/g, ' ');
    keys.set(strings, key);
  }
  return key;
}

/** The sentence of a tagged template literal. */
export function sentenceOf(strings: TemplateStringsArray, values: readonly Value[]): Sentence {
  return { key: keyOf(strings), values };
}

/** The sentence in English. */
export function inEnglish({ key, values }: Sentence): string {
  return key.replace(/\{(\d+)\}/g, (_hole, index: string) => String(values[Number(index)]));
}

/**
 * A sentence in English, whatever the reader's language is: for what is thrown, stored, sent or logged. Who shows it
 * to a person calls `shown`, which knows it again.
 */
export function english(strings: TemplateStringsArray, ...values: Value[]): string {
  return inEnglish(sentenceOf(strings, values));
}
