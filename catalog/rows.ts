import type { Selectable } from 'kysely';
import type { FilesTable } from './schema/file-tables.js';
import type { ArchivesTable, GroupsTable } from './schema/group-tables.js';
import type { HookRunsTable } from './schema/hook-tables.js';
import type { HostDrivesTable, HostsTable } from './schema/host-tables.js';
import type { OutboxTable } from './schema/notice-tables.js';
import type { RetrievalArchivesTable, RetrievalsTable } from './schema/retrieval-tables.js';
import type { RefusalsTable, SchedulesTable } from './schema/server-tables.js';
import type { SetsTable } from './schema/set-tables.js';
import type { CopiesTable, TapesTable } from './schema/tape-tables.js';

// A complete row of each table; schema/ says what the columns mean.
export type SetRow = Selectable<SetsTable>;
export type GroupRow = Selectable<GroupsTable>;
export type ArchiveRow = Selectable<ArchivesTable>;
export type FileRow = Selectable<FilesTable>;
export type TapeRow = Selectable<TapesTable>;
export type CopyRow = Selectable<CopiesTable>;
export type RetrievalRow = Selectable<RetrievalsTable>;
export type RetrievalArchiveRow = Selectable<RetrievalArchivesTable>;
export type ScheduleRow = Selectable<SchedulesTable>;
export type RefusalRow = Selectable<RefusalsTable>;
export type HookRunRow = Selectable<HookRunsTable>;
export type OutboxRow = Selectable<OutboxTable>;
export type HostRow = Selectable<HostsTable>;
export type HostDriveRow = Selectable<HostDrivesTable>;
