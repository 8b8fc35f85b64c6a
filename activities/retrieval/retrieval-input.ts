import type { RetrievalRow } from '../../catalog/rows.js';
import type { Settings } from '../../config/settings.js';
import { snapshotOptions, type SetOptions } from '../../operations/sets/set-options.js';

/** What a restore or a verify starts with. */
export interface RetrievalInput {
  id: string;
  kind: 'restore' | 'verify';
  /** The drive that reads; of several the one that has read last, on whose host the retrieval ends. */
  drive: string;
  /** All drives that may read, where those are several. */
  drives?: string[];
  options: Pick<SetOptions, 'heartbeatSeconds' | 'retrySeconds' | 'tapeRetrySeconds' | 'retryAttempts'>;
}

/** What a copy from tape to tape starts with. */
export interface CopyInput extends Omit<RetrievalInput, 'kind'> {
  /** The drive that writes; it may be the one that reads. */
  toDrive: string;
  /** Written bytes after which the tape is synced. */
  syncBytes: number;
  /** Seconds after which it is, in any case. */
  syncSeconds: number;
}

/** A retrieval's workflow: which one it is, what it starts with, and what the Temporal UI says of it. */
export type RetrievalStart = { summary: string } & (
  { workflow: 'retrieveArchives'; input: RetrievalInput } | { workflow: 'copyArchives'; input: CopyInput }
);

/** How the workflow of a retrieval is started, with the settings of now. */
export function retrievalStart(settings: Settings, row: RetrievalRow): RetrievalStart {
  const { heartbeatSeconds, retrySeconds, tapeRetrySeconds, retryAttempts, syncBytes, syncSeconds } =
    snapshotOptions(settings);
  const { id, kind, drive, subject } = row;
  const all = settings.drives.map(({ name }) => name);
  const drives = row.any_drive === 1 && all.length > 1 ? { drives: all } : {};
  const options = { heartbeatSeconds, retrySeconds, tapeRetrySeconds, retryAttempts };
  const summary = kind === 'restore' ? `${subject} → ${row.target ?? ''}` : `${kind} ${subject}`;
  if (kind !== 'copy')
    return { summary, workflow: 'retrieveArchives', input: { id, kind, drive, ...drives, options } };
  const input = { id, drive, ...drives, toDrive: row.to_drive ?? drive, options, syncBytes, syncSeconds };
  return { summary, workflow: 'copyArchives', input };
}
