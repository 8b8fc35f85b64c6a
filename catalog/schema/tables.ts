import type {
  ChainsTable,
  EntriesTable,
  FilesTable,
  LayerFilesTable,
  LayersTable,
  ListedNamesTable,
  NameListsTable,
  NamesTable,
  OffsetsTable,
} from './file-tables.js';
import type { ArchivesTable, EventsTable, GroupsTable } from './group-tables.js';
import type { HookRunsTable } from './hook-tables.js';
import type { HostDrivesTable, HostsTable } from './host-tables.js';
import type { OutboxTable, ToldTable } from './notice-tables.js';
import type {
  RetrievalArchivesTable,
  RetrievalExistingTable,
  RetrievalProblemsTable,
  RetrievalsTable,
} from './retrieval-tables.js';
import type { ClaimedStartsTable, RefusalsTable, SchedulesTable } from './server-tables.js';
import type { EndMarksTable, SeenSetsTable, SetListsTable, SetsTable } from './set-tables.js';
import type { BegunCopiesTable, CopiesTable, TapesTable } from './tape-tables.js';

/** Facts about the catalog itself, by name. */
export interface MetaTable {
  key: string;
  value: string;
}

/** Every table, by its name. Numbers are 64-bit integers in the database and safe integers here. */
export interface Tables {
  meta: MetaTable;
  sets: SetsTable;
  groups: GroupsTable;
  archives: ArchivesTable;
  tapes: TapesTable;
  copies: CopiesTable;
  begun_copies: BegunCopiesTable;
  files: FilesTable;
  layers: LayersTable;
  chains: ChainsTable;
  offsets: OffsetsTable;
  layer_files: LayerFilesTable;
  entries: EntriesTable;
  names: NamesTable;
  name_lists: NameListsTable;
  listed_names: ListedNamesTable;
  events: EventsTable;
  seen_sets: SeenSetsTable;
  end_marks: EndMarksTable;
  set_lists: SetListsTable;
  retrievals: RetrievalsTable;
  retrieval_archives: RetrievalArchivesTable;
  retrieval_problems: RetrievalProblemsTable;
  retrieval_existing: RetrievalExistingTable;
  schedules: SchedulesTable;
  claimed_starts: ClaimedStartsTable;
  refusals: RefusalsTable;
  hosts: HostsTable;
  host_drives: HostDrivesTable;
  hook_runs: HookRunsTable;
  outbox: OutboxTable;
  told: ToldTable;
}
