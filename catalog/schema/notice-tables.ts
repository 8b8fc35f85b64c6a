import type { Generated } from 'kysely';

/** Messages to channels, each to be sent once. Times are milliseconds since 1970. */
export interface OutboxTable {
  id: string;
  /** The channel of `notify` in the configuration file, by name. */
  channel: string;
  /** What it tells of (`NotifyEvent`), or `test`. */
  event: string;
  /** JSON of the `Message`. */
  message: string;
  /** `waiting`: it is sent, or tried again, at `next_at`. `given_up`: it was tried for a day. */
  state: 'waiting' | 'sent' | 'given_up';
  created_at: number;
  attempts: Generated<number>;
  next_at: number;
  /** Until then one worker sends it, and no other. */
  claimed_until: Generated<number>;
  ended_at: Generated<number | null>;
  /** Why the last attempt failed. */
  error: Generated<string | null>;
}

/** What a channel was told of, so that it is told once, and reminded at times. */
export interface ToldTable {
  channel: string;
  /** The condition, as `Fact.key`. */
  key: string;
  /** How far it had come, as `Fact.mark`. */
  mark: string;
  /** When last. */
  at: number;
}
