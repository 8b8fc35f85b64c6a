import type { RetrievalRow } from '../../catalog/rows.js';
import type { Settings } from '../../config/settings/settings.js';
import { snapshotOptions, type SetOptions } from '../sets/set-options.js';

/** Input of a restore or verify workflow. */
export interface RetrievalInput {
  id: string;
  kind: 'restore' | 'verify';
  /** The drive that reads; of several, the last one used, on whose host the retrieval finishes. */
  drive: string;
  /** All drives that may read, if there are several. */
  drives?: string[];
  options: Pick<SetOptions, 'heartbeatSeconds' | 'retrySeconds' | 'tapeRetrySeconds' | 'retryAttempts'>;
}

/** Input of a workflow that copies from tape to tape. */
export interface CopyInput extends Omit<RetrievalInput, 'kind'> {
  /** The drive that writes; may be the reading drive. */
  toDrive: string;
  /** All drives that may write, where those are several. */
  toDrives?: string[];
  /** Written bytes after which the tape is synced. */
  syncBytes: number;
  /** Seconds after which the tape is synced in any case. */
  syncSeconds: number;
}

/** A retrieval's workflow: its type, its input, and its summary for the Temporal UI. */
export type RetrievalStart = { summary: string } & (
  { workflow: 'retrieveArchives'; input: RetrievalInput } | { workflow: 'copyArchives'; input: CopyInput }
);

/** How to start the workflow of a retrieval, with the current settings, which have the drives of all hosts. */
export function retrievalStart(settings: Settings, row: RetrievalRow): RetrievalStart {
  const { heartbeatSeconds, retrySeconds, tapeRetrySeconds, retryAttempts, syncBytes, syncSeconds } =
    snapshotOptions(settings);
  const { id, kind, drive, subject } = row;
  // The target of a restore is on the host of its drive.
  const host = settings.drives.find(({ name }) => name === drive)?.host;
  const may = settings.drives.filter((one) => kind !== 'restore' || one.host === host);
  const all = may.map(({ name }) => name);
  const drives = row.any_drive === 1 && all.length > 1 ? { drives: all } : {};
  const options = { heartbeatSeconds, retrySeconds, tapeRetrySeconds, retryAttempts };
  const summary = kind === 'restore' ? `${subject} → ${row.target ?? ''}` : `${kind} ${subject}`;
  if (kind !== 'copy')
    return { summary, workflow: 'retrieveArchives', input: { id, kind, drive, ...drives, options } };
  const to = row.to_drive === null && all.length > 1 ? { toDrives: all } : {};
  const halves = { drive, ...drives, toDrive: row.to_drive ?? drive, ...to };
  const input = { id, ...halves, options, syncBytes, syncSeconds };
  return { summary, workflow: 'copyArchives', input };
}
