import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { createInstance, type i18n } from 'i18next';
import { joined } from './joined.js';
import type { LanguageTag } from './language.js';
import type { Sentence } from './sentence.js';

/** The English sentences that a catalogue knows, with their translations. */
export type Messages = Record<string, string>;

/** Reads the catalogue in a folder: the files, of which each has the sentences of one part of the program. */
export function readMessages(folder: string): Messages {
  const files = readdirSync(folder).filter((name) => name.endsWith('.json'));
  const parts = files.map((name) => JSON.parse(readFileSync(path.join(folder, name), 'utf8')) as Messages);
  return Object.assign({}, ...parts) as Messages;
}

/** A template as what knows its sentences again. */
interface Pattern {
  key: string;
  /** What stands between its values, and before and behind them. */
  parts: string[];
  /** The longest of them: a text without it needs no more looking. */
  longest: string;
  /** The value's number of each gap between two parts. */
  holes: number[];
  /** The values that are sentences themselves. */
  sentences: ReadonlySet<number>;
  /** True for `{0} files`, which counts them, and is not the end of any text. */
  isCount: boolean;
}

/** A text as it was understood, and how many of its letters the catalogue knows. */
interface Reading {
  tell: () => string;
  known: number;
}

/** Readings that are kept; whoever watches a set reads the same texts again and again. */
const mostReadings = 1000;

/** Characters of the longest text that is read: what is longer is no sentence of ours, but what a program has said. */
const longestText = 4000;

/** Sentences of a text that one template may have. */
const mostSentences = 6;

/**
 * Shows sentences in another language than English.
 *
 * What is stored or comes from another process is an English sentence, made from a template that the catalogue has. It
 * is known again by that template, and its values are taken out of it. They are names, which stay as they are; where
 * a value is a sentence itself, the translation says so: `{1, sentence}`.
 */
export class Translator {
  private readonly i18n: i18n;
  private allPatterns: Pattern[] | undefined;
  private readonly readings = new Map<string, Reading>();

  constructor(
    readonly tag: LanguageTag,
    private readonly messages: Messages,
  ) {
    this.i18n = createInstance();
    void this.i18n.init({
      lng: tag,
      resources: { [tag]: { translation: messages } },
      initAsync: false,
      // A key is a sentence, with its points and colons.
      ...{ keySeparator: false, nsSeparator: false },
      interpolation: { prefix: '{', suffix: '}', escapeValue: false },
    });
    this.i18n.services.formatter?.add('sentence', (value) => this.recognise(String(value)));
  }

  /** Made at the first text that has to be known again: many commands have none. */
  private get patterns(): Pattern[] {
    return (this.allPatterns ??= Object.entries(this.messages)
      .filter(([key]) => /\{\d+\}/.test(key))
      .map(([key, message]) => patternOf(key, message)));
  }

  /** The sentence in this language; in English where the catalogue lacks it. */
  translate({ key, values }: Sentence): string {
    // No value is a template itself, whatever a file is called.
    return this.i18n.t(key, { ...values, nest: false });
  }

  /** The same for an English sentence, or several, or one without its final point; as it is where none is known. */
  recognise(text: string): string {
    const before = this.readings.get(text);
    if (before !== undefined) return before.tell();
    if (text.length > longestText) return text;
    if (this.readings.size > mostReadings) this.readings.clear();
    // Few templates have made a part of the text, and each part of it is read in many ways.
    const pointed = `${text}.`;
    const patterns = this.patterns.filter(({ parts }) => parts.every((part) => pointed.includes(part)));
    return this.read(text, patterns).tell();
  }

  /** The reading that explains the most letters: a template that swallows the next sentence explains fewer. */
  private read(text: string, patterns: readonly Pattern[]): Reading {
    const before = this.readings.get(text);
    if (before !== undefined) return before;
    let best: Reading = { tell: () => text, known: 0 };
    for (const reading of this.readingsOf(text, patterns)) if (reading.known > best.known) best = reading;
    this.readings.set(text, best);
    return best;
  }

  private *readingsOf(text: string, patterns: readonly Pattern[]): Generator<Reading> {
    yield* this.ofSentence(text, patterns);
    // Sentences one after the other, as a failure and its advice are.
    const ends = [...text.matchAll(/(?<=[.?!:]) (?=[A-Z`])/g)].map(({ index }) => index);
    for (const end of ends.slice(0, mostSentences)) {
      const first = this.read(text.slice(0, end), patterns);
      if (first.known === 0) continue;
      const next = this.read(text.slice(end + 1), patterns);
      yield { tell: () => joined(first.tell(), next.tell()), known: first.known + next.known };
    }
  }

  /** What one template makes of a text, with its final point or without it. */
  private *ofSentence(text: string, patterns: readonly Pattern[]): Generator<Reading> {
    yield* this.ofTemplates(text, patterns);
    for (const { tell, known } of this.ofTemplates(`${text}.`, patterns))
      yield { tell: () => tell().replace(/[.。]$/, ''), known: known - 1 };
  }

  private *ofTemplates(text: string, patterns: readonly Pattern[]): Generator<Reading> {
    if (Object.hasOwn(this.messages, text)) {
      yield { tell: () => this.translate({ key: text, values: [] }), known: lettersOf(text) };
      return;
    }
    for (const pattern of patterns) {
      const values = valuesIn(text, pattern);
      if (values === undefined) continue;
      const { key, sentences } = pattern;
      let known = lettersOf(key);
      // Of two readings that explain as much, the one with fewer parts is right.
      for (const hole of sentences) known += Math.max(this.read(values[hole] ?? '', patterns).known - 1, 0);
      yield { tell: () => this.translate({ key, values }), known };
    }
  }
}

function patternOf(key: string, message: string): Pattern {
  const parts = key.split(/\{\d+\}/);
  const sentences = new Set([...message.matchAll(/\{(\d+), sentence\}/g)].map(([, hole]) => Number(hole)));
  return {
    ...{ key, parts, sentences },
    longest: parts.reduce((longest, part) => (part.length > longest.length ? part : longest)),
    holes: [...key.matchAll(/\{(\d+)\}/g)].map(([, hole]) => Number(hole)),
    isCount: /^\{0\} [a-z ]+$/.test(key) && !sentences.has(0),
  };
}

/**
 * The values of a text that a template has made, each as short as it can be; undefined for another text. An expression
 * would try every way to divide a long text among many values.
 */
function valuesIn(text: string, { parts, longest, holes, isCount }: Pattern): string[] | undefined {
  const [first = '', ...others] = parts;
  const last = others.pop() ?? '';
  if (!text.includes(longest) || !text.startsWith(first) || !text.endsWith(last)) return undefined;
  const end = text.length - last.length;
  const found: string[] = [];
  let begin = first.length;
  for (const part of others) {
    const at = text.indexOf(part, begin);
    if (at === -1) return undefined;
    found.push(text.slice(begin, at));
    begin = at + part.length;
  }
  if (begin > end) return undefined;
  found.push(text.slice(begin, end));
  if (isCount && !/^\d[\d,.]*$/.test(found[0] ?? '')) return undefined;
  const values: string[] = [];
  for (const [index, hole] of holes.entries()) values[hole] = found[index] ?? '';
  return values;
}

/** Letters of a template or a text, without values: `{0}: {1}` says nothing by itself. */
const lettersOf = (text: string) => text.replace(/\{\d+\}|[^A-Za-z]/g, '').length;
