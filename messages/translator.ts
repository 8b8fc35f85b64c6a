import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { createInstance, type i18n } from 'i18next';
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
  regex: RegExp;
  /** The longest of its own parts: a text without it needs no more looking. */
  part: string;
  /** The value's number of each group of the expression. */
  holes: number[];
  /** The values that are sentences themselves. */
  sentences: ReadonlySet<number>;
}

/** A text as it was understood, and how many of its letters the catalogue knows. */
interface Reading {
  text: string;
  known: number;
}

/** Readings that are kept; whoever watches a set reads the same texts again and again. */
const mostReadings = 1000;

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
    if (this.readings.size > mostReadings) this.readings.clear();
    return this.read(text).text;
  }

  /** The reading that explains the most letters: a template that swallows the next sentence explains fewer. */
  private read(text: string): Reading {
    const before = this.readings.get(text);
    if (before !== undefined) return before;
    let best: Reading = { text, known: 0 };
    for (const reading of this.readingsOf(text)) if (reading.known > best.known) best = reading;
    this.readings.set(text, best);
    return best;
  }

  private *readingsOf(text: string): Generator<Reading> {
    yield* this.ofTemplates(text);
    for (const { text: whole, known } of this.ofTemplates(`${text}.`))
      yield { text: whole.replace(/[.。]$/, ''), known: known - 1 };
    // Sentences one after the other, as a failure and its advice are.
    for (const { index } of text.matchAll(/(?<=[.?!:]) (?=[A-Z`])/g)) {
      const [first, next] = [this.read(text.slice(0, index)), this.read(text.slice(index + 1))];
      if (first.known > 0) yield { text: joined(first.text, next.text), known: first.known + next.known };
    }
  }

  private *ofTemplates(text: string): Generator<Reading> {
    if (Object.hasOwn(this.messages, text)) {
      yield { text: this.translate({ key: text, values: [] }), known: lettersOf(text) };
      return;
    }
    for (const { key, regex, part, holes, sentences } of this.patterns) {
      const match = text.includes(part) ? regex.exec(text) : null;
      if (match === null) continue;
      const values: string[] = [];
      let known = lettersOf(key);
      for (const [index, hole] of holes.entries()) {
        const value = match[index + 1] ?? '';
        values[hole] = value;
        // Of two readings that explain as much, the one with fewer parts is right.
        if (sentences.has(hole)) known += Math.max(this.read(value).known - 1, 0);
      }
      yield { text: this.translate({ key, values }), known };
    }
  }
}

/** Two sentences; after a full-width mark there is no space. */
function joined(first: string, next: string): string {
  return /[。！？：]$/.test(first) ? `${first}${next}` : `${first} ${next}`;
}

function patternOf(key: string, message: string): Pattern {
  const holes: number[] = [];
  const sentences = new Set([...message.matchAll(/\{(\d+), sentence\}/g)].map(([, hole]) => Number(hole)));
  // `{0} files` counts them, and is not the end of any text.
  const value = /^\{0\} [a-z ]+$/.test(key) && !sentences.has(0) ? '(\\d[\\d,.]*)' : '(.*?)';
  const source = key
    .split(/(\{\d+\})/)
    .map((part) => {
      if (!/^\{\d+\}$/.test(part)) return part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
      holes.push(Number(part.slice(1, -1)));
      return value;
    })
    .join('');
  const [part = ''] = key.split(/\{\d+\}/).sort((a, b) => b.length - a.length);
  return { key, regex: new RegExp(`^${source}$`, 's'), part, holes, sentences };
}

/** Letters of a template or a text, without values: `{0}: {1}` says nothing by itself. */
const lettersOf = (text: string) => text.replace(/\{\d+\}|[^A-Za-z]/g, '').length;
