import type { Generated } from 'kysely';

/** Scheduled backups, verifies and copies. Times are milliseconds since 1970. */
export interface SchedulesTable {
  name: string;
  /** Five fields: minute, hour, day, month, weekday. */
  cron: string;
  /** The time zone of those, as `Europe/Berlin`. */
  zone: string;
  /** The command as entered, for people. */
  command: string;
  /** JSON of what it means (`ScheduledBackup` or `ScheduledReading`), with absolute paths. */
  arguments: string;
  /** 1: it does not run automatically. */
  paused: Generated<number>;
  created_at: number;
  /**
   * The last run: when it began; its set, verify or copy; if it made none, when it ended and what went wrong, if
   * anything.
   */
  run_at: Generated<number | null>;
  run_set: Generated<string | null>;
  run_ended_at: Generated<number | null>;
  run_reason: Generated<string | null>;
  /** When the last run that was begun was due. */
  due_at: Generated<number | null>;
  /** When a command requested a run that has not begun yet. */
  run_asked_at: Generated<number | null>;
  /** When the server created it, by the server's clock; null: not registered there. */
  told_at: Generated<number | null>;
  /** When a command last let it run again after a pause. */
  resumed_at: Generated<number | null>;
}

/** Workflow starts that were used; each counts once. */
export interface ClaimedStartsTable {
  id: string;
  at: number;
  workflow_id: string;
  run_id: string;
}

/** Messages without a valid proof, one row for each kind. */
export interface RefusalsTable {
  kind: string;
  times: number;
  first_at: number;
  last_at: number;
  /** The last one. */
  what: string;
  workflow_id: string;
  run_id: string;
}
