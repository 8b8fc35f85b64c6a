import type { Generated } from 'kysely';

/**
 * What was run of the hooks of sets, one row for each command. A round is one `before` and the `after` that belongs to
 * it: the sources are read in between. Times in milliseconds since 1970.
 */
export interface HookRunsTable {
  set_id: string;
  /** From 1. */
  round: number;
  phase: 'before' | 'after';
  /** Name of the hook. */
  name: string;
  /** Token of the attempt that may say how it ended. */
  token: string;
  /** `begun`: it is under way, or its worker was ended and nobody knows how far it had come. */
  state: 'begun' | 'done' | 'failed';
  begun_at: number;
  ended_at: Generated<number | null>;
  /** Why it failed. */
  reason: Generated<string | null>;
  /** While it is begun: its process, when that began, and the running system that has it. */
  pid: Generated<number | null>;
  started: Generated<string | null>;
  place: Generated<string | null>;
}
