import type { Selectable } from 'kysely';
import type {
  ArchivesTable,
  CopiesTable,
  FilesTable,
  GroupsTable,
  RefusalsTable,
  RetrievalArchivesTable,
  RetrievalsTable,
  SchedulesTable,
  SetsTable,
  TapesTable,
} from './schema.js';

// A complete row of each table; schema.ts says what the columns mean.
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
