import type { RetrievalRow } from '../catalog/retrievals.js';
import type { Settings } from '../config/settings.js';
import type { CopyInput, RetrievalInput } from '../workflows/messages.js';
import { snapshotOptions } from './set-options.js';

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
