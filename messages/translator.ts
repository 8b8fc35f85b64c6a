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
  /** The value's number of each group of the expression. */
  holes: number[];
}

/**
 * Shows sentences in another language than English.
 *
 * What is stored or comes from another process is an English sentence, made from a template that the catalogue has. It
 * is known again by that template, and its values are taken out of it. They are names, which stay as they are; where
 * a value is a sentence itself, the translation says so: `{1, sentence}`.
 */
export class Translator {
  private readonly i18n: i18n;
  /** From the one with the most letters of its own to the one with the fewest: the former says more. */
  private readonly patterns: Pattern[];

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
    this.patterns = Object.keys(messages)
      .filter((key) => /\{\d+\}/.test(key))
      .map((key) => patternOf(key))
      .sort((a, b) => ownLetters(b.key) - ownLetters(a.key));
  }

  /** The sentence in this language; in English where the catalogue lacks it. */
  translate({ key, values }: Sentence): string {
    // No value is a template itself, whatever a file is called.
    return this.i18n.t(key, { ...values, nest: false });
  }

  /** The same for an English sentence, or several, or one without its final point; as it is where none is known. */
  recognise(text: string): string {
    return this.known(text) ?? this.withoutPoint(text) ?? this.inParts(text) ?? text;
  }

  private known(text: string): string | undefined {
    if (Object.hasOwn(this.messages, text)) return this.translate({ key: text, values: [] });
    for (const { key, regex, holes } of this.patterns) {
      const match = regex.exec(text);
      if (match === null) continue;
      const values: string[] = [];
      for (const [index, hole] of holes.entries()) values[hole] = match[index + 1] ?? '';
      return this.translate({ key, values });
    }
    return undefined;
  }

  private withoutPoint(text: string): string | undefined {
    return this.known(`${text}.`)?.replace(/[.。]$/, '');
  }

  /** Sentences one after the other, as a failure and its advice are. */
  private inParts(text: string): string | undefined {
    for (const { index } of text.matchAll(/(?<=[.?!:]) (?=[A-Z`])/g)) {
      const first = this.known(text.slice(0, index));
      if (first === undefined) continue;
      return joined(first, this.recognise(text.slice(index + 1)));
    }
    return undefined;
  }
}

/** Two sentences; after a full-width mark there is no space. */
function joined(first: string, next: string): string {
  return /[。！？：]$/.test(first) ? `${first}${next}` : `${first} ${next}`;
}

function patternOf(key: string): Pattern {
  const holes: number[] = [];
  const source = key
    .split(/(\{\d+\})/)
    .map((part) => {
      if (!/^\{\d+\}$/.test(part)) return part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
      holes.push(Number(part.slice(1, -1)));
      return '(.*?)';
    })
    .join('');
  return { key, regex: new RegExp(`^${source}$`, 's'), holes };
}

const ownLetters = (key: string) => key.replace(/\{\d+\}/g, '').length;
