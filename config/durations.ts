import humanizeDuration from 'humanize-duration';
import ms, { type StringValue } from 'ms';

/**
 * Seconds of a duration such as `36h`, `90 days`, `12w` or `1y` (365.25 days); undefined when the text is none. So is
 * `3m`, which to some is a minute and to others a month, a number without a unit, and what is no whole second.
 */
export function parseDuration(text: string): number | undefined {
  const given = text.trim();
  if (!/^[\d.]+ *(?!m$)[a-z]+$/i.test(given)) return undefined;
  const seconds = ms(given as StringValue) / 1000;
  return Number.isSafeInteger(seconds) ? seconds : undefined;
}

const inWords = humanizeDuration.humanizer({
  language: 'short',
  languages: { short: { d: () => 'd', h: () => 'h', m: () => 'min', s: () => 's' } },
  units: ['d', 'h', 'm', 's'],
  spacer: ' ',
  delimiter: ' ',
});

/** Seconds as a duration, exactly: `90 d`, `1 d 12 h`. */
export function formatDuration(seconds: number): string {
  return inWords(seconds * 1000);
}

/** Seconds for people, in two units at most: `4.2 s`, `3 min 5 s`, `2 h 7 min`, `3 d 4 h`. */
export function formatSeconds(seconds: number): string {
  if (seconds < 10) return inWords(seconds * 1000, { maxDecimalPoints: 1 });
  return inWords(seconds * 1000, { largest: 2, round: true });
}
