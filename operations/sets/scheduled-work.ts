import type { ReadRequest } from '../../catalog/retrievals/open-read.js';
import type { SubjectRequest } from '../../catalog/retrievals/retrieval-subject.js';
import type { CopyPlace } from '../../catalog/sets/copy-places.js';
import type { ChosenOptions } from '../../catalog/sets/chosen-options.js';
import type { ExcludeRule } from '../../entry/excludes.js';
import type { TakenRequest } from '../../source/taken/resolve-taken.js';

/**
 * What a schedule backs up each time, as stored in the catalog: the arguments of a `backup`, resolved when the schedule
 * was made.
 */
export interface ScheduledBackup extends ChosenOptions {
  /** The host that has the sources; not given: the home of the installation. */
  host?: string;
  /** Absolute paths, links resolved, none inside another. */
  sources: string[];
  excludes: ExcludeRule[];
  /** What was asked for, read and resolved anew by each run; schedules of version 0.1 have none. */
  asked?: { paths: string[] } & TakenRequest;
  drive: string;
  pool: string;
  /** Where each copy goes, if there are several. */
  places?: CopyPlace[] | undefined;
  mode: string;
  direct: boolean;
  /** To whom is decided by each run: its AGE_RECIPIENTS. */
  encrypt?: boolean | undefined;
  /** A source may hold much less than it did in earlier sets. */
  allowShrunk?: boolean | undefined;
  /** Name of the hook of the host that has the sources. */
  hook?: string | undefined;
}

/** What a schedule verifies, or copies to other tapes, each time. */
export type ScheduledReading = ReadRequest & { subject: SubjectRequest };

/** One run of a schedule. */
export interface ScheduleCall {
  /** Name of the schedule; the catalog says what it does. */
  name: string;
  /** When the run began, in milliseconds since 1970. */
  runAt: number;
}

/** What a schedule does, by its arguments in the catalog. */
export function scheduledWork(text: string): ScheduledBackup | ScheduledReading {
  return JSON.parse(text) as ScheduledBackup | ScheduledReading;
}

/** The host and the sources that a schedule backs up, as in `SetsTable`; undefined for a verify or a copy. */
export function scheduledTree(text: string): { host: string | null; sources: string } | undefined {
  const work = scheduledWork(text);
  return 'kind' in work ? undefined : { host: work.host ?? null, sources: JSON.stringify(work.sources) };
}
