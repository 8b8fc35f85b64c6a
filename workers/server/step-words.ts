import type { PendingStep } from './pending-steps.js';

/** Activity names in words; the Temporal UI and `--json` show the name itself, as for activities not listed here. */
const stepWords: Record<string, string> = {
  scanSources: 'scanning',
  openHook: 'before the sources are read',
  closeHook: 'after the sources were read',
  compressGroup: 'compressing',
  waitForRoom: 'waiting for room in staging',
  promoteArchive: 'moving to final',
  waitForFinal: 'looking into final',
  writeToTape: 'writing to tape',
  compressToTape: 'compressing directly to tape',
  syncTape: 'syncing the tape',
  watchTape: 'waiting for a tape',
  releaseArchives: 'releasing staged archives',
  finishSet: 'finishing',
  readArchive: 'reading from tape',
  watchForRetrieval: 'waiting for its tape, or for room in the target',
  fetchArchive: 'reading from tape',
  storeArchive: 'writing to tape',
  syncCopies: 'syncing the tape',
  watchForCopy: 'waiting for a tape',
  waitForCopyRoom: 'waiting for room in staging',
  finishRetrieval: 'finishing',
  cancelSet: 'cancelling',
};

/** The step in words, with its group if known. */
export function stepName({ activity, details }: Pick<PendingStep, 'activity' | 'details'>): string {
  return `${stepWords[activity] ?? activity}${details.group === undefined ? '' : ` (group ${details.group})`}`;
}

/** One line for a step that is running or blocked; undefined: it only waits for its turn. */
export function stepLine(step: PendingStep): string | undefined {
  const { why } = step.details;
  if (!step.started && why === undefined) return undefined;
  const again = step.attempt > 1 ? ` (attempt ${step.attempt}: ${step.lastFailure ?? ''})` : '';
  return `${stepName(step)}${why === undefined ? '' : `: ${why}`}${again}`;
}
