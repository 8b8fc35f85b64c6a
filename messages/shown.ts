import type { LanguageTag } from './language.js';
import type { Translator } from './translator.js';
import { inEnglish, sentenceOf, type Value } from './sentence.js';

let translator: Translator | undefined;

/** Sets what this process shows sentences with: undefined for English. */
export function showWith(chosen: Translator | undefined): void {
  translator = chosen;
}

/** The language that `t` and `shown` speak, for what says in which one it is written. */
export function shownLanguage(): LanguageTag {
  return translator?.tag ?? 'en';
}

/** A sentence in the reader's language: for what is shown to a person now, and never stored. */
export function t(strings: TemplateStringsArray, ...values: Value[]): string {
  const sentence = sentenceOf(strings, values);
  return translator === undefined ? inEnglish(sentence) : translator.translate(sentence);
}

/**
 * What was written in English (by `english`, a table, a description) in the reader's language; as it is where no
 * catalogue knows it.
 */
export function shown(text: string): string {
  return translator === undefined ? text : translator.recognise(text);
}
