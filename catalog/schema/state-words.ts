import { english } from '../../messages/sentence.js';
import type { FileState } from './file-tables.js';
import type { GroupState } from './group-tables.js';
import type { RetrievalState } from './retrieval-tables.js';
import type { SetState } from './set-tables.js';
import type { CopyState, TapeState } from './tape-tables.js';

const words: Record<SetState | RetrievalState | GroupState | CopyState | TapeState | FileState, string> = {
  scanning: english`scanning`,
  running: english`running`,
  waiting_for_tape: english`waiting for tape`,
  paused: english`paused`,
  completed: english`completed`,
  completed_with_skips: english`completed with skips`,
  incomplete: english`incomplete`,
  failed: english`failed`,
  cancelled: english`cancelled`,
  expired: english`expired`,
  open: english`open`,
  planned: english`planned`,
  compressing: english`compressing`,
  compressed: english`compressed`,
  promoted: english`promoted`,
  queued: english`queued`,
  writing: english`writing`,
  written: english`written`,
  committed: english`committed`,
  released: english`released`,
  skipped: english`skipped`,
  packed: english`packed`,
  unchanged: english`unchanged`,
  usable: english`usable`,
  full: english`full`,
  suspect: english`suspect`,
  foreign: english`foreign`,
  lost: english`lost`,
  erasing: english`erasing`,
  erased: english`erased`,
};

/** A state of a set, a group, a copy, a tape or an entry in English words, which `shown` translates. */
export function stateWord(state: string): string {
  return (words as Record<string, string>)[state] ?? state.replaceAll('_', ' ');
}
