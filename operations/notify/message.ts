import type { NotifyEvent } from '../../config/settings/channels.js';
import { t } from '../../messages/shown.js';

/** Something that people are to be told of, as the catalog has it now. */
export interface Fact {
  event: NotifyEvent;
  /** The condition, in no language: as long as it is the same, a channel is told once and then reminded. */
  key: string;
  /** How far it has come, such as how much is damaged: what grows is told again, once a day at most. */
  mark?: string;
  /** The set that has ended, of which the message gives the numbers. */
  setId?: string;
  /** In the language of who is told, as all that follows: what it is about, a set, a tape, a schedule, a folder. */
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

/** What happened to one thing, and to several of a kind, in a few words. */
const titles: Record<NotifyEvent, [one: (subject: string) => string, many: (number: number) => string]> = {
  failed: [hasFailed, (number) => t`${number} runs have failed`],
  completed_with_skips: [
    (subject) => t`${subject} is complete, but for some files`,
    (number) => t`${number} sets lack some files`,
  ],
  completed: [(subject) => t`${subject} is complete`, (number) => t`${number} sets are complete`],
  waiting: [(subject) => t`${subject} waits for you`, (number) => t`${number} runs wait for you`],
  tape_full: [(subject) => t`${subject} is full`, (number) => t`${number} tapes are full`],
  tape_suspect: [
    (subject) => t`${subject} is not trusted any more`,
    (number) => t`${number} tapes are not trusted any more`,
  ],
  damage: [(subject) => t`Damage on ${subject}`, (number) => t`${number} tapes have damage`],
  schedule_missed: [(subject) => t`${subject} did not run`, (number) => t`${number} schedules did not run`],
  no_success: [
    (subject) => t`No backup of ${subject} lately`,
    (number) => t`${number} trees have no backup lately`,
  ],
  single_copy: [(subject) => t`${subject} exists once only`, (number) => t`${number} sets exist once only`],
  hook_failed: [hasFailed, (number) => t`${number} hooks have failed`],
};

function hasFailed(subject: string): string {
  return t`${subject} has failed`;
}

/** What a message is called that tells of these facts, all of one event. */
export function titleOf(event: NotifyEvent, facts: readonly Fact[], reminder: boolean): string {
  const [one, many] = titles[event];
  const [first] = facts;
  const title = facts.length === 1 && first !== undefined ? one(first.subject) : many(facts.length);
  return reminder ? t`Still: ${title}` : title;
}

/** A message as text, without its title. */
export function textOf({ items, more, installation, host }: Message): string {
  const parts = items.map(({ what, todo, command }) => `${what}\n${todo}\n    ${command}`);
  if (more > 0) parts.push(t`And ${more} more.`);
  return [...parts, t`tapeflow ${installation}, host ${host}`].join('\n\n');
}

/** The title, which names the program. */
export function headingOf({ title }: Message): string {
  return `tapeflow: ${title}`;
}

/** The same with its title, cut so that it fits into so many bytes. */
export function fullText(message: Message, most: number): string {
  return cutText(`${headingOf(message)}\n\n${textOf(message)}`, most);
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
