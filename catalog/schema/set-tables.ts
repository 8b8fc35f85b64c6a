import type { Generated } from 'kysely';

/**
 * States of a backup set; the last five are final. `expired`: nothing of it is on tape any more, because its tapes were
 * erased.
 */
export type SetState =
  | 'scanning'
  | 'running'
  | 'waiting_for_tape'
  | 'paused'
  | 'completed'
  | 'completed_with_skips'
  | 'failed'
  | 'cancelled'
  | 'expired';

export const finalSetStates: readonly SetState[] = [
  'completed',
  'completed_with_skips',
  'failed',
  'cancelled',
  'expired',
];

/** States in which a set waits for a person: a schedule run does not wait with it. */
export const waitingSetStates: readonly SetState[] = ['waiting_for_tape', 'paused'];

export interface SetsTable {
  id: string;
  uuid: string;
  state: SetState;
  /** The host that has the sources; null: the home of the installation. */
  host: Generated<string | null>;
  /** JSON array of absolute source paths, in bytewise order. */
  sources: string;
  /** JSON array of `ExcludeRule`s. */
  excludes: string;
  pool: string;
  drive: string;
  /** `full`, `incremental` (changes since the newest set) or `differential` (changes since the newest full set). */
  mode: string;
  /** The requested mode: a set without a base becomes a full one. Null for sets of versions that did not record it. */
  asked_mode: Generated<string | null>;
  /** The schedule run that made it. */
  made_by: Generated<string | null>;
  /** The set that this one was compared with; null for a full one. A restore of this set needs its archives. */
  base_id: string | null;
  /**
   * For a set read from tapes whose manifests list only what is other than in its base: the base's UUID, and a JSON
   * array of the names of the tapes that held it.
   */
  base_uuid: Generated<string | null>;
  base_tapes: Generated<string | null>;
  /** 1: compressed directly to tape. */
  direct: number;
  /** JSON array of the pool and drive of each copy, if the set has several; see `placesOf`. */
  places: string | null;
  /** JSON array of the recipients of age that its archives are encrypted to; null: they are not encrypted. */
  recipients: Generated<string | null>;
  /** JSON of the settings that this set runs with, as of its start; see `isRebuilt` for sets that never run. */
  options: string;
  /** 1 when every source was walked to its end. */
  scanned: number;
  /** JSON array of the folders that the scan left out: data folder, staging, tape folders. */
  left_out: string;
  /** JSON of `TakenOptions`, if there are any. */
  taken: Generated<string | null>;
  /** Name of the hook of its host; null: none. */
  hook: Generated<string | null>;
  /** JSON of what the scan has counted so far, a `Tally` without `leftOut`; null: nothing. */
  tally: Generated<string | null>;
  /** 1: a source may hold much less than it did in earlier sets. */
  allow_shrunk: Generated<number>;
  /** JSON of the `Holding` of each source, in their order; null: not known, since the scan was interrupted. */
  holdings: Generated<string | null>;
  reason: string | null;
  created_at: number;
  finished_at: number | null;
  /** When the last copy of an archive that it needs was erased: it is incomplete, and nothing builds on it. */
  erased_at: Generated<number | null>;
  /** Id of the last workflow started for it; null: none yet. */
  workflow_id: Generated<string | null>;
  /**
   * For a set read from tapes: 1 when its manifests say that it writes an end mark, and that mark's `SetEnd` as JSON.
   */
  end_marked: Generated<number>;
  end_facts: Generated<string | null>;
  /** Times that it was taken up by itself since its last copy was committed, the last time, and 1 when no more. */
  taken_up: Generated<number>;
  taken_up_at: Generated<number | null>;
  left_alone: Generated<number>;
}

/** The paths that a set takes by `--files-from`, until it is scanned. */
export interface SetListsTable {
  set_id: string;
  /** gzip of the member names, each ended by a NUL. */
  paths: Uint8Array;
}

/** Sets seen on tapes, whose numbers must never be reused, even after the catalog was lost. */
export interface SeenSetsTable {
  set_id: string;
}

/** End marks that are durably on tapes, with the `SetEnd` of each as JSON. */
export interface EndMarksTable {
  set_id: string;
  tape_uuid: string;
  facts: string;
}
