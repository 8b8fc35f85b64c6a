import { english } from '../../messages/sentence.js';
import type { Catalog } from '../open-catalog.js';
import type { OutboxRow } from '../rows.js';

/** A message to a channel. */
export type NewOutboxRow = Pick<OutboxRow, 'id' | 'channel' | 'event' | 'message'>;

const dayMs = 86_400_000;
/** How long a message is tried, and how long the catalog keeps what became of it. */
export const triedForMs = dayMs;
const keptForMs = 30 * dayMs;
/** A worker that has claimed a message and is not heard of for so long has died; sending takes a minute at most. */
export const claimMs = 120_000;
/** Milliseconds before the second attempt; twice as long before each further one, up to an hour. */
const firstPauseMs = 10_000;
const longestPauseMs = 3_600_000;

/** Puts messages into the outbox, in the caller's transaction. */
export async function queueMessages(tx: Catalog, rows: readonly NewOutboxRow[], now: number): Promise<void> {
  if (rows.length === 0) return;
  const waiting = { state: 'waiting', created_at: now, next_at: now } as const;
  await tx
    .insertInto('outbox')
    .values(rows.map((row) => ({ ...row, ...waiting })))
    .execute();
}

/**
 * Claims the oldest message of a channel that is due, for one attempt: no other worker sends it meanwhile. Undefined
 * when there is none.
 */
export async function claimMessage(
  db: Catalog,
  channel: string,
  now: number,
): Promise<OutboxRow | undefined> {
  const due = await db
    .selectFrom('outbox')
    .select('id')
    .where('channel', '=', channel)
    .where('state', '=', 'waiting')
    .where('next_at', '<=', now)
    .where('claimed_until', '<=', now)
    .orderBy('created_at')
    .orderBy('id')
    .executeTakeFirst();
  if (due === undefined) return undefined;
  return db
    .updateTable('outbox')
    .set((eb) => ({ claimed_until: now + claimMs, attempts: eb('attempts', '+', 1) }))
    .where('id', '=', due.id)
    .where('state', '=', 'waiting')
    .where('next_at', '<=', now)
    .where('claimed_until', '<=', now)
    .returningAll()
    .executeTakeFirst();
}

/** Records that a message was sent, unless another attempt was begun since. */
export async function recordSent(db: Catalog, { id, attempts }: OutboxRow, now: number): Promise<void> {
  await db
    .updateTable('outbox')
    .set({ state: 'sent', ended_at: now, claimed_until: 0, error: null })
    .where('id', '=', id)
    .where('attempts', '=', attempts)
    .execute();
}

/**
 * Records that an attempt failed: it is tried again later, or given up after a day.
 *
 * @returns when it is tried again; undefined: no more.
 */
export async function recordUnsent(
  db: Catalog,
  { id, attempts, created_at: since }: OutboxRow,
  error: string,
  now: number,
): Promise<number | undefined> {
  const pause = Math.min(firstPauseMs * 2 ** Math.min(attempts - 1, 20), longestPauseMs);
  const next = now + pause < since + triedForMs ? now + pause : undefined;
  await db
    .updateTable('outbox')
    .set({
      ...(next === undefined ? { state: 'given_up', ended_at: now } : { next_at: next }),
      ...{ claimed_until: 0, error },
    })
    .where('id', '=', id)
    .where('attempts', '=', attempts)
    .execute();
  return next;
}

/** Gives up what no worker has sent within a day, such as messages to a channel that is no more; forgets old ones. */
export async function tidyOutbox(db: Catalog, now: number): Promise<void> {
  await db
    .updateTable('outbox')
    .set((eb) => ({
      ...{ state: 'given_up' as const, ended_at: now },
      error: eb.fn.coalesce('error', eb.val(english`no worker has this channel`)),
    }))
    .where('state', '=', 'waiting')
    .where('created_at', '<', now - triedForMs - longestPauseMs)
    .where('claimed_until', '<=', now)
    .execute();
  await db
    .deleteFrom('outbox')
    .where('ended_at', '<', now - keptForMs)
    .execute();
}

/** The messages, newest first: at most so many. */
export function listMessages(db: Catalog, limit: number): Promise<OutboxRow[]> {
  return db
    .selectFrom('outbox')
    .selectAll()
    .orderBy('created_at', 'desc')
    .orderBy('id')
    .limit(limit)
    .execute();
}

/** Messages that a channel has not taken since: how many wait or were given up within a day, and the last error. */
export async function unsentOf(
  db: Catalog,
  channel: string,
  now: number,
): Promise<{ count: number; error: string | null }> {
  const rows = await db
    .selectFrom('outbox')
    .select('error')
    .where('channel', '=', channel)
    .where('error', 'is not', null)
    .where('state', '!=', 'sent')
    .where('created_at', '>', now - 2 * triedForMs)
    .orderBy('created_at', 'desc')
    .execute();
  return { count: rows.length, error: rows[0]?.error ?? null };
}
