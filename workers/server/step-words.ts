import { english } from '../../messages/sentence.js';
import { shown, t } from '../../messages/shown.js';
import type { PendingStep } from './pending-steps.js';

/** Activity names in words; the Temporal UI and `--json` show the name itself, as for activities not listed here. */
const stepWords: Record<string, string> = {
  scanSources: english`scanning`,
  openHook: english`before the sources are read`,
  closeHook: english`after the sources were read`,
  compressGroup: english`compressing`,
  waitForRoom: english`waiting for room in staging`,
  promoteArchive: english`moving to final`,
  waitForFinal: english`looking into final`,
  writeToTape: english`writing to tape`,
  compressToTape: english`compressing directly to tape`,
  syncTape: english`syncing the tape`,
  watchTape: english`waiting for a tape`,
  releaseArchives: english`releasing staged archives`,
  finishSet: english`finishing`,
  readArchive: english`reading from tape`,
  watchForRetrieval: english`waiting for its tape, or for room in the target`,
  fetchArchive: english`reading from tape`,
  storeArchive: english`writing to tape`,
  syncCopies: english`syncing the tape`,
  watchForCopy: english`waiting for a tape`,
  waitForCopyRoom: english`waiting for room in staging`,
  finishRetrieval: english`finishing`,
  cancelSet: english`cancelling`,
};

/** The step in words, with its group if known. */
export function stepName({ activity, details }: Pick<PendingStep, 'activity' | 'details'>): string {
  const words = stepWords[activity] ?? activity;
  return details.group === undefined ? shown(words) : t`${words} (group ${details.group})`;
}

/** One line for a step that is running or blocked; undefined: it only waits for its turn. */
export function stepLine(step: PendingStep): string | undefined {
  const { why } = step.details;
  if (!step.started && why === undefined) return undefined;
  const again = step.attempt > 1 ? t` (attempt ${step.attempt}: ${step.lastFailure ?? ''})` : '';
  return `${stepName(step)}${why === undefined ? '' : t`: ${why}`}${again}`;
}
