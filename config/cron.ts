import { english } from '../messages/sentence.js';
import { usageFailure } from './failures.js';

interface Field {
  name: string;
  least: number;
  most: number;
  /** Names of its values, from the smallest on. */
  names?: string[];
}

const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const weekdays = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const day: Field = { name: english`day`, least: 1, most: 31 };
const month: Field = { name: english`month`, least: 1, most: 12, names: months };
const fields: readonly Field[] = [
  { name: english`minute`, least: 0, most: 59 },
  { name: english`hour`, least: 0, most: 23 },
  day,
  month,
  // 7 is Sunday too.
  { name: english`weekday`, least: 0, most: 7, names: weekdays },
];
/** Most days of each month, in a leap year. */
const monthDays = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/**
 * Checks a cron expression: five fields, each a list of numbers, names (months, weekdays), ranges and steps. All of
 * them must match, the day and the weekday too, as on the server. Throws a usage failure that names the wrong field, or
 * says that the time never comes.
 *
 * @returns the expression with single spaces between its fields.
 */
export function requireCron(text: string): string {
  const words = text.trim().split(/\s+/);
  if (words.length !== fields.length)
    throw wrongCron(
      text,
      english`it does not have five fields`,
      english`They are minute, hour, day, month and weekday.`,
    );
  const values = fields.map((field, index) => valuesOf(text, field, words[index] ?? ''));
  const [, , days = [], ofMonths = []] = values;
  if (!ofMonths.some((month) => days.some((day) => day <= (monthDays[month - 1] ?? 0))))
    throw wrongCron(
      text,
      english`it never comes: no day ${words[2] ?? ''} is in the month ${words[3] ?? ''}`,
      english`Correct the day or the month.`,
    );
  return words.join(' ');
}

/** What each field of a checked cron expression allows; Sunday is 0. */
export interface CronFields {
  minutes: ReadonlySet<number>;
  hours: ReadonlySet<number>;
  days: ReadonlySet<number>;
  months: ReadonlySet<number>;
  weekdays: ReadonlySet<number>;
}

/** The fields of a checked cron expression. */
export function cronFields(cron: string): CronFields {
  const words = cron.split(' ');
  const [minutes, hours, days, months, weekdays] = fields.map(
    (field, index) => new Set(valuesOf(cron, field, words[index] ?? '')),
  ) as [Set<number>, Set<number>, Set<number>, Set<number>, Set<number>];
  if (weekdays.has(7)) weekdays.add(0);
  return { minutes, hours, days, months, weekdays };
}

/** The numbers that a field allows. */
function valuesOf(cron: string, field: Field, text: string): number[] {
  const { name, least, most, names } = field;
  const quoted = JSON.stringify(text);
  const wrong = (why: string) =>
    wrongCron(
      cron,
      why,
      names === undefined
        ? english`It is *, or numbers from ${least} to ${most}, as 1,3 or 1-5 or */2.`
        : english`It is *, or numbers from ${least} to ${most} or names such as ${names[1] ?? ''}, as 1,3 or
            1-5 or */2.`,
    );
  const numberOf = (word: string): number => {
    const named = names?.indexOf(word.toLowerCase()) ?? -1;
    const number = named >= 0 ? named + least : /^\d{1,4}$/.test(word) ? Number(word) : undefined;
    if (number === undefined) throw wrong(english`the ${name} ${quoted} is not understood`);
    if (number < least || number > most)
      throw wrong(english`the ${name} ${quoted} is not from ${least} to ${most}`);
    return number;
  };
  const found: number[] = [];
  for (const part of text.split(',')) {
    const match = /^(\*|[a-z0-9]+(?:-[a-z0-9]+)?)(?:\/(\d{1,4}))?$/i.exec(part);
    if (match === null) throw wrong(english`the ${name} ${quoted} is not understood`);
    const [, range = '*', stepText] = match;
    const step = stepText === undefined ? 1 : Number(stepText);
    if (step < 1) throw wrong(english`the ${name} ${quoted} has a step of 0`);
    const [from, to] = range === '*' ? [least, most] : range.split('-').map(numberOf);
    if (from === undefined) throw wrong(english`the ${name} ${quoted} is not understood`);
    // `5/15` is from 5 on.
    const last = to ?? (stepText === undefined ? from : most);
    if (last < from) throw wrong(english`the ${name} ${quoted} ends before it begins`);
    for (let value = from; value <= last; value += step) found.push(value);
  }
  return found;
}

function wrongCron(cron: string, why: string, advice: string) {
  return usageFailure('WrongCron', english`--cron cannot be ${JSON.stringify(cron)}: ${why}.`, advice);
}
