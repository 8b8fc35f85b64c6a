import type { Generated } from 'kysely';

/**
 * `writing` and `written` copies may be lost if the tape's mount crashes; `committed` ones are synced and checked. A
 * `lost` copy with a `committed_at` was committed on a tape that is lost. `erased`: deleted, or being deleted, with
 * everything on its tape.
 */
export type CopyState = 'writing' | 'written' | 'committed' | 'lost' | 'erased';

/**
 * `suspect`: a write failed on it; nothing more is written until someone trusts it again. `foreign`: labelled by
 * another installation; it is read but never written to. `lost`: someone has marked it as gone; its copies are `lost`
 * too. `erasing`: what it holds no longer counts, and its new label is not written yet. Changed by `transitionTape`
 * alone. Whether a tape is ours to write to is decided by its label, never by this state.
 */
export type TapeState = 'usable' | 'full' | 'suspect' | 'foreign' | 'lost' | 'erasing';

export interface TapesTable {
  uuid: string;
  name: string;
  pool: string;
  /** `user.ltfs.volumeUUID` of an LTFS tape; null for a folder. */
  volume: string | null;
  state: TapeState;
  reason: string | null;
  /** JSON of the states that it returns to, see `tapeStatusOf`; null when it is neither lost nor being erased. */
  before: Generated<string | null>;
  capacity: number;
  free: number;
  labelled_at: number;
  seen_at: number;
  /** For a tape in the state `erasing`: the UUID of its new label. */
  erased_to: Generated<string | null>;
  /** 1: LTFS has made the cartridge read-only for good after a medium error; only formatting fixes that. */
  read_only: Generated<number>;
}

export interface CopiesTable {
  set_id: string;
  group_no: number;
  copy_no: number;
  tape_uuid: string;
  state: CopyState;
  /** Token of the attempt that wrote it. */
  token: string;
  written_at: number | null;
  committed_at: number | null;
  /** When it was last read back and compared, and what is wrong with it; null: nothing. */
  verified_at: number | null;
  damage: string | null;
  /**
   * The copy's own manifest, if it is not the one made with the archive; size 0: its tape is known to have none. Null:
   * the archive's.
   */
  manifest_size: Generated<number | null>;
  manifest_sha256: Generated<string | null>;
}

/**
 * Which archives were ever begun on which tape, or found there: what lies under their names on it is ours, also when no
 * row of `copies` points there any more.
 */
export interface BegunCopiesTable {
  set_id: string;
  group_no: number;
  tape_uuid: string;
}
