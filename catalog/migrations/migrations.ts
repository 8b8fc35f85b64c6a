import type { Migration } from 'kysely';
import { fileAttributes, fileNames, filesByInode, filesByName, storedSizes } from './file-changes.js';
import { encryption } from './encryption-changes.js';
import { first } from './first-tables.js';
import { hooks } from './hook-changes.js';
import { hosts } from './host-changes.js';
import { foldedSets, layers, rebuiltLayers } from './layer-changes.js';
import { notices } from './notice-changes.js';
import {
  anyDrive,
  chosenRestores,
  damagedMembers,
  existingEntries,
  freshRestores,
  restoresToHosts,
  retrievals,
  unsetMetadata,
} from './retrieval-changes.js';
import { smallRows } from './row-changes.js';
import { provenMessages, schedules, toldSchedules } from './server-changes.js';
import {
  askedSets,
  groupsByReserved,
  holdings,
  incremental,
  noEventIsAState,
  setEnds,
  taken,
  workflowIds,
} from './set-changes.js';
import { copies, copiesByCommit, pools, readOnlyTapes, tapeStates } from './tape-changes.js';

/** All migrations by name; they run in name order. A released migration is never changed. */
export const migrations: Record<string, Migration> = {
  '0001_first': { up: first },
  '0002_copies_by_commit': { up: copiesByCommit },
  '0003_files_by_name': { up: filesByName },
  '0004_retrievals': { up: retrievals },
  '0005_incremental': { up: incremental },
  '0006_groups_by_reserved': { up: groupsByReserved },
  '0007_file_names': { up: fileNames },
  '0008_pools': { up: pools },
  '0009_copies': { up: copies },
  '0010_files_by_inode': { up: filesByInode },
  '0011_fresh_restores': { up: freshRestores },
  '0012_workflow_ids': { up: workflowIds },
  '0013_schedules': { up: schedules },
  '0014_asked_sets': { up: askedSets },
  '0016_damaged_members': { up: damagedMembers },
  '0017_tape_states': { up: tapeStates },
  '0018_existing_entries': { up: existingEntries },
  '0019_set_ends': { up: setEnds },
  '0023_read_only_tapes': { up: readOnlyTapes },
  '0025_proven_messages': { up: provenMessages },
  '0026_file_attributes': { up: fileAttributes },
  '0027_no_event_is_a_state': { up: noEventIsAState },
  '0028_stored_sizes': { up: storedSizes },
  '0029_any_drive': { up: anyDrive },
  '0030_told_schedules': { up: toldSchedules },
  '0033_taken': { up: taken },
  '0034_holdings': { up: holdings },
  '0035_chosen_restores': { up: chosenRestores },
  '0036_unset_metadata': { up: unsetMetadata },
  '0037_small_rows': { up: smallRows },
  '0038_layers': { up: layers },
  '0039_hosts': { up: hosts },
  '0041_restores_to_hosts': { up: restoresToHosts },
  '0042_rebuilt_layers': { up: rebuiltLayers },
  '0043_folded_sets': { up: foldedSets },
  '0044_notices': { up: notices },
  '0046_encryption': { up: encryption },
  '0049_hooks': { up: hooks },
};
