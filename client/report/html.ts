import { escapeForTerminal } from '../../entry/byte-string.js';

/** Text that is HTML already; everything else is escaped where it is put into some. */
export class Html {
  constructor(readonly text: string) {}
}

/** What can stand in HTML: text and numbers are shown as they are, lists one after the other. */
export type Content = Html | string | number | readonly Content[];

/** HTML with values in it, whatever characters they have: names of files, sources and tapes stay text. */
export function html(strings: TemplateStringsArray, ...values: readonly Content[]): Html {
  return new Html(strings.map((part, at) => (at === 0 ? '' : written(values[at - 1] ?? '')) + part).join(''));
}

const entities: Record<string, string> = {
  ...{ '&': '&amp;', '<': '&lt;', '>': '&gt;' },
  ...{ '"': '&quot;', "'": '&#39;' },
};

function written(value: Content): string {
  if (value instanceof Html) return value.text;
  if (typeof value === 'number') return String(value);
  // What a page would hide, or write from right to left, is shown by its bytes as on a terminal.
  if (typeof value === 'string')
    return escapeForTerminal(value).replace(/[&<>"']/g, (character) => entities[character] ?? '');
  return value.map(written).join('');
}
