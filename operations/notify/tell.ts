import { randomUUID } from 'node:crypto';
import { queueMessages } from '../../catalog/notices/outbox.js';
import { recordTold, toldOf, type Told } from '../../catalog/notices/told.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import { summarizeSet } from '../../catalog/sets/set-summary.js';
import { wantsEvent, type ChannelSettings, type NotifyEvent } from '../../config/settings/channels.js';
import { formatCount } from '../../config/counts.js';
import { formatSeconds } from '../../config/durations.js';
import { formatBytes } from '../../config/sizes.js';
import { t } from '../../messages/shown.js';
import { maxItems, titleOf, type Fact, type Item, type Message } from './message.js';

const dayMs = 86_400_000;

/**
 * Milliseconds after which a channel is told again of what lasts. Daily while something waits for a person; weekly
 * where nothing does, since who is told the same every day reads nothing any more. What has ended is told once.
 */
const reminderMs: Partial<Record<NotifyEvent, number>> = {
  ...{ waiting: dayMs, schedule_missed: dayMs, no_success: dayMs },
  ...{ tape_suspect: 7 * dayMs, damage: 7 * dayMs, single_copy: 7 * dayMs },
};

/** Who tells. */
export interface Teller {
  installation: string;
  host: string;
}

/**
 * Puts into the outbox what the channels are to be told of, once for each: what was told already is told again only
 * when it is time for a reminder, or, once a day, when it has grown. Several facts of one event are one message.
 *
 * @returns the number of messages.
 */
export async function tellChannels(
  catalog: Catalog,
  teller: Teller,
  channels: readonly ChannelSettings[],
  facts: readonly Fact[],
  now: number,
): Promise<number> {
  let count = 0;
  for (const channel of channels) {
    const wanted = facts.filter(({ event }) => wantsEvent(channel, event));
    const told = await toldOf(
      catalog,
      channel.name,
      wanted.map(({ key }) => key),
    );
    const due = wanted.filter((fact) => isDue(fact, told.get(fact.key), now));
    for (const same of inMessages(due, told))
      count += await tellOne(catalog, teller, channel.name, same, told, now);
  }
  return count;
}

function isDue({ event, mark = '' }: Fact, told: Told | undefined, now: number): boolean {
  if (told === undefined) return true;
  const after = told.mark === mark ? (reminderMs[event] ?? Infinity) : dayMs;
  return now - told.at >= after;
}

/** The facts of each message: of one event, and either news or reminders. */
function inMessages(facts: readonly Fact[], told: ReadonlyMap<string, Told>): Fact[][] {
  const groups = new Map<string, Fact[]>();
  for (const fact of facts) {
    const group = `${fact.event} ${told.has(fact.key)}`;
    groups.set(group, [...(groups.get(group) ?? []), fact]);
  }
  // A failure last: the last ping of a dead man's switch is what it shows.
  return [...groups.values()].sort((a, b) => Number(isFailure(a)) - Number(isFailure(b)));
}

const isFailure = ([fact]: readonly Fact[]) => fact?.event === 'failed';

/** Records that a channel is told, and queues the message, in one transaction; 0 when another worker was faster. */
async function tellOne(
  catalog: Catalog,
  { installation, host }: Teller,
  channel: string,
  facts: readonly Fact[],
  told: ReadonlyMap<string, Told>,
  now: number,
): Promise<number> {
  const items = new Map<Fact, Item>();
  for (const fact of facts.slice(0, maxItems)) items.set(fact, await itemOf(catalog, fact));
  return catalog.transaction().execute(async (tx) => {
    const ours: Fact[] = [];
    for (const fact of facts) {
      const { key, mark = '' } = fact;
      if (await recordTold(tx, { channel, key, mark, before: told.get(key) }, now)) ours.push(fact);
    }
    const [first] = ours;
    if (first === undefined) return 0;
    const reminder = told.has(first.key);
    const listed = ours.flatMap((fact) => items.get(fact) ?? []);
    const message: Message = {
      ...{ id: randomUUID(), event: first.event, reminder, at: new Date(now).toISOString() },
      ...{ installation, host, title: titleOf(first.event, ours, reminder) },
      ...{ items: listed, more: ours.length - listed.length },
    };
    const row = { id: message.id, channel, event: message.event, message: JSON.stringify(message) };
    await queueMessages(tx, [row], now);
    return 1;
  });
}

/** What a message says of a fact; of a set that has ended with its numbers. */
async function itemOf(catalog: Catalog, { subject, what, todo, command, setId }: Fact): Promise<Item> {
  if (setId === undefined) return { subject, what, todo, command };
  const { archives, bytesIn, bytesOut, skipped, seconds, tapes } = await summarizeSet(catalog, setId);
  const made = formatCount(archives, 'archive');
  const size = formatBytes(bytesIn);
  const stored = formatBytes(bytesOut);
  const left = formatCount(skipped, 'file');
  const took = formatSeconds(seconds);
  const withNumbers =
    tapes.length === 0
      ? t`${what} ${made}, ${size} as ${stored}; ${left} skipped; ${took}.`
      : t`${what} ${made}, ${size} as ${stored} on ${tapes.join(', ')}; ${left} skipped; ${took}.`;
  return { subject, what: withNumbers, todo, command };
}

/** A message that only shows that a channel works. */
export function testMessage({ installation, host }: Teller, channel: string, now = Date.now()): Message {
  const item: Item = {
    subject: t`Channel ${channel}`,
    what: t`This is a test: somebody has asked tapeflow to send it.`,
    todo: t`Nothing is to be done.`,
    command: 'tapeflow notify list',
  };
  return {
    ...{ id: randomUUID(), event: 'test', reminder: false, at: new Date(now).toISOString() },
    ...{ installation, host, title: t`Test of channel ${channel}`, items: [item], more: 0 },
  };
}
