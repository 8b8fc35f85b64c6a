import { escapeForTerminal } from '../../entry/byte-string.js';
import type { SetSummary } from '../../catalog/sets/set-summary.js';
import { formatSeconds } from '../../config/durations.js';
import { formatBytes } from '../../config/sizes.js';
import { formatCount, formatNumber } from '../../config/counts.js';
import type { PendingStep } from '../../workers/server/pending-steps.js';
import { stepName } from '../../workers/server/step-words.js';
import { stateText } from '../print/state-text.js';
import { wrapTo } from '../print/table.js';
import { english } from '../../messages/sentence.js';
import { t } from '../../messages/shown.js';

/** What the live display remembers between refreshes. */
export interface LiveView {
  /** When following began, in milliseconds of `performance.now()`. */
  began: number;
  /** Source bytes that were already committed then. */
  bytesAtBegin: number | undefined;
  /** Staging budget in bytes. */
  budget: number;
}

/** Width of a bar in characters, on a terminal of at least 100 columns and on a narrower one. */
const barWidths = { wide: 24, narrow: 14 };

/** The lines of the live display, none wider than the terminal; a longer reason is wrapped. */
export function liveLines(
  summary: SetSummary,
  steps: readonly PendingStep[],
  view: LiveView,
  columns = 80,
): string[] {
  const bar = barOf(columns < 100 ? barWidths.narrow : barWidths.wide);
  const lines = [
    t`Set ${summary.setId}  ${stateText(summary)}`,
    ...scanLines(summary, steps),
    ...compressLines(steps, bar),
    ...stuckLines(steps),
    t`  staging   ${bar(summary.stagedBytes, view.budget)} ${formatBytes(summary.stagedBytes)}
      of ${formatBytes(view.budget)}`,
    ...driveLines(summary, steps, bar),
    ...totalLines(summary, view, bar),
  ];
  return lines.flatMap((line) => wrapTo(escapeForTerminal(line), columns, 12));
}

function scanLines(summary: SetSummary, steps: readonly PendingStep[]): string[] {
  const scan = steps.find((step) => step.activity === 'scanSources');
  const { entries, bytes } = scan?.details ?? {};
  const groups = formatCount(summary.groups, 'group');
  const planned = formatBytes(summary.plannedBytes);
  const end = summary.scanned ? t` (done)` : ' …';
  if (entries === undefined) return [t`  scan      ${groups} planned, ${planned}${end}`];
  const count = formatCount(entries, 'entry', 'entries');
  return [t`  scan      ${count}, ${formatBytes(bytes ?? 0)}, ${groups} planned, ${planned}${end}`];
}

/** Steps of a group to be compressed, including the wait for room in staging. */
const compressing = new Set(['compressGroup', 'waitForRoom']);

function compressLines(steps: readonly PendingStep[], bar: Bar): string[] {
  return steps
    .filter((step) => compressing.has(step.activity) && step.started)
    .slice(0, 8)
    .map(({ details, attempt, lastFailure }) => {
      // Before its first heartbeat a step does not report its group.
      const group = details.group === undefined ? t`the next group` : t`group ${details.group}`;
      const again = attempt > 1 ? t`  (attempt ${attempt}: ${lastFailure ?? ''})` : '';
      if (details.why !== undefined) return t`  compress  ${group}: waiting, ${details.why}${again}`;
      const { bytesIn = 0, bytesTotal } = details;
      if (bytesTotal === undefined) return t`  compress  ${group} begins${again}`;
      const done = bar(bytesIn, bytesTotal);
      return t`  compress  ${group} ${done} ${formatBytes(bytesIn)} of ${formatBytes(bytesTotal)}${again}`;
    });
}

/** Other waiting steps, such as a move to a full disk. */
function stuckLines(steps: readonly PendingStep[]): string[] {
  return steps
    .filter((step) => !compressing.has(step.activity) && step.started && step.details.stuck === true)
    .slice(0, 4)
    .map((step) => t`  waiting   ${stepName(step)}: ${step.details.why ?? ''}`);
}

function driveLines(summary: SetSummary, steps: readonly PendingStep[], bar: Bar): string[] {
  const { queued = 0, written = 0, writing = 0 } = summary.stages;
  const waiting = t`  queue     ${formatCount(queued, 'archive')} to be written,
    ${formatNumber(written)} to be synced`;
  const writes = steps.filter(
    (step) => ['writeToTape', 'compressToTape', 'syncTape'].includes(step.activity) && step.started,
  );
  const drives = [...new Set(summary.copies.map((copy) => copy.drive))].join(', ');
  if (writes.length > 0) return [...writes.map((write) => writeLine(drives, write, bar)), waiting];
  return [writing > 0 ? t`  drive     ${drives}: writing` : t`  drive     ${drives}: idle`, waiting];
}

function writeLine(drives: string, write: PendingStep, bar: Bar): string {
  const { step, group, bytesOut = 0, bytesTotal = 0, seconds } = write.details;
  if (write.activity === 'syncTape') return t`  drive     ${drives}: syncing the index`;
  if (group === undefined) return t`  drive     ${drives}: begins to write`;
  const speed =
    seconds === undefined || seconds < 0.5 ? '' : `${t`, `}${(bytesOut / 1e6 / seconds).toFixed(0)} MB/s`;
  const again = write.attempt > 1 ? t`, attempt ${write.attempt}: ${write.lastFailure ?? ''}` : '';
  const progress = `${bar(bytesOut, bytesTotal)} ${formatBytes(bytesOut)}${speed}${again}`;
  return t`  drive     ${drives}: ${step ?? english`writing`} group ${group} ${progress}`;
}

function totalLines(summary: SetSummary, view: LiveView, bar: Bar): string[] {
  view.bytesAtBegin ??= summary.bytesIn;
  const seconds = (performance.now() - view.began) / 1000;
  const speed = (summary.bytesIn - view.bytesAtBegin) / Math.max(seconds, 0.001);
  const left = summary.plannedBytes - summary.bytesIn;
  const rate = speed > 0 ? `${t`, `}${formatBytes(speed)}/s` : '';
  const eta = summary.scanned && speed > 0 && left > 0 ? t`, ${formatSeconds(left / speed)} left` : '';
  const [done, planned] = [formatBytes(summary.bytesIn), formatBytes(summary.plannedBytes)];
  const skipped = summary.skipped > 0 ? t`, ${formatNumber(summary.skipped)} skipped` : '';
  const archives = formatCount(summary.groups, 'archive');
  return [
    t`  total     ${bar(summary.bytesIn, summary.plannedBytes)} ${done} of ${planned}${rate}${eta}`,
    t`  on tape   ${formatNumber(summary.archives)} of ${archives}, ${formatBytes(summary.bytesOut)}${skipped}`,
  ];
}

/** Draws a progress bar. */
type Bar = (part: number, whole: number) => string;

function barOf(width: number): Bar {
  return (part, whole) => {
    const filled = whole > 0 ? Math.min(width, Math.floor((part / whole) * width)) : 0;
    return `[${'█'.repeat(filled)}${'·'.repeat(width - filled)}]`;
  };
}
