import { onHost } from '../../entry/host-path.js';
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
  /** A restore whose target may be on another host than a drive: that host as queues call it. */
  target?: { host?: string };
}

/** A restore's target for people, with its host where that may be another one. */
export function shownTarget({
  target,
  target_host: host,
}: Pick<RetrievalRow, 'target' | 'target_host'>): string {
  return onHost(host, target ?? '');
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
export type RetrievalStart = {
  summary: string;
  /** A schedule writes again what this verify finds damaged. */
  repairs?: true;
} & (
  { workflow: 'retrieveArchives'; input: RetrievalInput } | { workflow: 'copyArchives'; input: CopyInput }
);

/**
 * How to start the workflow of a retrieval, with the current settings, which have the drives of all hosts.
 *
 * @param target the host of a restore's target as queues call it; undefined: surely that of the drive.
 */
export function retrievalStart(
  settings: Settings,
  row: RetrievalRow,
  target?: { host?: string },
): RetrievalStart {
  const { heartbeatSeconds, retrySeconds, tapeRetrySeconds, retryAttempts, syncBytes, syncSeconds } =
    snapshotOptions(settings);
  const { id, kind, drive, subject } = row;
  const all = settings.drives.map(({ name }) => name);
  const drives = row.any_drive === 1 && all.length > 1 ? { drives: all } : {};
  const options = { heartbeatSeconds, retrySeconds, tapeRetrySeconds, retryAttempts };
  const summary = kind === 'restore' ? `${subject} → ${shownTarget(row)}` : `${kind} ${subject}`;
  if (kind !== 'copy')
    return {
      summary,
      workflow: 'retrieveArchives',
      input: { id, kind, drive, ...drives, options, ...(target === undefined ? {} : { target }) },
    };
  const to = row.to_drive === null && all.length > 1 ? { toDrives: all } : {};
  const halves = { drive, ...drives, toDrive: row.to_drive ?? drive, ...to };
  const input = { id, ...halves, options, syncBytes, syncSeconds };
  return { summary, workflow: 'copyArchives', input };
}
