import type { NotifyEvent } from '../../config/settings/channels.js';

/** Something that people are to be told of, as the catalog has it now. */
export interface Fact {
  event: NotifyEvent;
  /** The condition: as long as it is the same, a channel is told once and then reminded. */
  key: string;
  /** How far it has come, such as how much is damaged: what grows is told again, once a day at most. */
  mark?: string;
  /** The set that has ended, of which the message gives the numbers. */
  setId?: string;
  /** What it is about: a set, a tape, a schedule, a folder. */
  subject: string;
  /** What has happened. */
  what: string;
  /** What it asks a person to do. */
  todo: string;
  /** The command to type. */
  command: string;
}

/** One of the things that a message tells. */
export type Item = Pick<Fact, 'subject' | 'what' | 'todo' | 'command'>;

/** A message, as a webhook or a command gets it. */
export interface Message {
  /** Its id: it is the same where a message comes twice, since nobody knew that it had come. */
  id: string;
  event: NotifyEvent | 'test';
  /** True where it repeats what was told before and lasts. */
  reminder: boolean;
  /** When it was written, in ISO 8601. */
  at: string;
  installation: string;
  host: string;
  title: string;
  items: Item[];
  /** How many more things it is about than it lists. */
  more: number;
}

/** Items that one message lists; it says how many more there are. */
export const maxItems = 10;

/** One thing in a few words, and several of them. */
const titles: Record<NotifyEvent, [(subject: string) => string, string]> = {
  failed: [(subject) => `${subject} has failed`, 'have failed'],
  completed_with_skips: [(subject) => `${subject} is complete, but for some files`, 'lack some files'],
  completed: [(subject) => `${subject} is complete`, 'are complete'],
  waiting: [(subject) => `${subject} waits for you`, 'wait for you'],
  tape_full: [(subject) => `${subject} is full`, 'are full'],
  tape_suspect: [(subject) => `${subject} is not trusted any more`, 'are not trusted any more'],
  damage: [(subject) => `Damage on ${subject}`, 'have damage'],
  schedule_missed: [(subject) => `${subject} did not run`, 'did not run'],
  no_success: [(subject) => `No backup of ${subject} lately`, 'have no backup lately'],
  single_copy: [(subject) => `${subject} exists once only`, 'exist once only'],
  hook_failed: [(subject) => `${subject} has failed`, 'have failed'],
};

const nouns: Record<NotifyEvent, string> = {
  ...{ failed: 'runs', completed_with_skips: 'sets', completed: 'sets', waiting: 'runs' },
  ...{ tape_full: 'tapes', tape_suspect: 'tapes', damage: 'tapes', schedule_missed: 'schedules' },
  ...{ no_success: 'trees', single_copy: 'sets', hook_failed: 'hooks' },
};

/** What a message is called that tells of these facts, all of one event. */
export function titleOf(event: NotifyEvent, facts: readonly Fact[], reminder: boolean): string {
  const [one, many] = titles[event];
  const [first] = facts;
  const title =
    facts.length === 1 && first !== undefined
      ? one(first.subject)
      : `${facts.length} ${nouns[event]} ${many}`;
  return reminder ? `Still: ${title}` : title;
}

/** A message as text, without its title. */
export function textOf({ items, more, installation, host }: Message): string {
  const parts = items.map(({ what, todo, command }) => `${what}\n${todo}\n    ${command}`);
  if (more > 0) parts.push(`And ${more} more.`);
  return [...parts, `tapeflow ${installation}, host ${host}`].join('\n\n');
}

/** The same with its title, which names the program, cut so that it fits into so many bytes. */
export function fullText(message: Message, most: number): string {
  return cutText(`tapeflow: ${message.title}\n\n${textOf(message)}`, most);
}

/** The text, or as much of its beginning as fits into so many bytes of UTF-8, with an ellipsis. */
export function cutText(text: string, most: number): string {
  if (Buffer.byteLength(text) <= most) return text;
  let kept = '';
  let left = most - Buffer.byteLength('…');
  for (const character of text) {
    left -= Buffer.byteLength(character);
    if (left < 0) break;
    kept += character;
  }
  return `${kept}…`;
}
