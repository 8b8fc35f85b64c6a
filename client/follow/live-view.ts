import { stateWord } from '../../catalog/schema/state-words.js';
import { escapeForTerminal } from '../../entry/byte-string.js';
import type { SetSummary } from '../../catalog/sets/set-summary.js';
import { formatSeconds } from '../../config/durations.js';
import { formatBytes } from '../../config/sizes.js';
import { formatCount, formatNumber } from '../../config/counts.js';
import type { PendingStep } from '../../workers/server/pending-steps.js';
import { stepName } from '../../workers/server/step-words.js';
import { wrapTo } from '../print/table.js';

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
    `Set ${summary.setId}  ` +
      `${stateWord(summary.status)}${summary.reason === null ? '' : `: ${summary.reason}`}`,
    ...scanLines(summary, steps),
    ...compressLines(steps, bar),
    ...stuckLines(steps),
    `  staging   ${bar(summary.stagedBytes, view.budget)} ` +
      `${formatBytes(summary.stagedBytes)} of ${formatBytes(view.budget)}`,
    ...driveLines(summary, steps, bar),
    ...totalLines(summary, view, bar),
  ];
  return lines.flatMap((line) => wrapTo(escapeForTerminal(line), columns, 12));
}

function scanLines(summary: SetSummary, steps: readonly PendingStep[]): string[] {
  const scan = steps.find((step) => step.activity === 'scanSources');
  const { entries, bytes } = scan?.details ?? {};
  const soFar =
    entries === undefined ? '' : `${formatCount(entries, 'entry', 'entries')}, ${formatBytes(bytes ?? 0)}, `;
  const groups = formatCount(summary.groups, 'group');
  return [
    `  scan      ${soFar}${groups} planned, ${formatBytes(summary.plannedBytes)}${summary.scanned ? ' (done)' : ' …'}`,
  ];
}

/** Steps of a group to be compressed, including the wait for room in staging. */
const compressing = new Set(['compressGroup', 'waitForRoom']);

function compressLines(steps: readonly PendingStep[], bar: Bar): string[] {
  return steps
    .filter((step) => compressing.has(step.activity) && step.started)
    .slice(0, 8)
    .map(({ details, attempt, lastFailure }) => {
      // Before its first heartbeat a step does not report its group.
      const name = `  compress  ${details.group === undefined ? 'the next group' : `group ${details.group}`}`;
      const again = attempt > 1 ? `  (attempt ${attempt}: ${lastFailure ?? ''})` : '';
      if (details.why !== undefined) return `${name}: waiting, ${details.why}${again}`;
      const { bytesIn = 0, bytesTotal } = details;
      if (bytesTotal === undefined) return `${name} begins${again}`;
      return `${name} ${bar(bytesIn, bytesTotal)} ${formatBytes(bytesIn)} of ${formatBytes(bytesTotal)}${again}`;
    });
}

/** Other waiting steps, such as a move to a full disk. */
function stuckLines(steps: readonly PendingStep[]): string[] {
  return steps
    .filter((step) => !compressing.has(step.activity) && step.started && step.details.stuck === true)
    .slice(0, 4)
    .map((step) => `  waiting   ${stepName(step)}: ${step.details.why ?? ''}`);
}

function driveLines(summary: SetSummary, steps: readonly PendingStep[], bar: Bar): string[] {
  const { queued = 0, written = 0, writing = 0 } = summary.stages;
  const waiting = `  queue     ${formatCount(queued, 'archive')} to be written, ${formatNumber(written)} to be synced`;
  const writes = steps.filter(
    (step) => ['writeToTape', 'compressToTape', 'syncTape'].includes(step.activity) && step.started,
  );
  const drives = [...new Set(summary.copies.map((copy) => copy.drive))];
  const name = `  drive     ${drives.join(', ')}`;
  if (writes.length === 0) return [`${name}: ${writing > 0 ? 'writing' : 'idle'}`, waiting];
  return [...writes.map((write) => writeLine(name, write, bar)), waiting];
}

function writeLine(name: string, write: PendingStep, bar: Bar): string {
  const { step, group, bytesOut = 0, bytesTotal = 0, seconds } = write.details;
  if (write.activity === 'syncTape') return `${name}: syncing the index`;
  if (group === undefined) return `${name}: begins to write`;
  const speed =
    seconds === undefined || seconds < 0.5 ? '' : `, ${(bytesOut / 1e6 / seconds).toFixed(0)} MB/s`;
  const again = write.attempt > 1 ? `, attempt ${write.attempt}: ${write.lastFailure ?? ''}` : '';
  return (
    `${name}: ${step ?? 'writing'} group ${group} ` +
    `${bar(bytesOut, bytesTotal)} ${formatBytes(bytesOut)}${speed}${again}`
  );
}

function totalLines(summary: SetSummary, view: LiveView, bar: Bar): string[] {
  view.bytesAtBegin ??= summary.bytesIn;
  const seconds = (performance.now() - view.began) / 1000;
  const speed = (summary.bytesIn - view.bytesAtBegin) / Math.max(seconds, 0.001);
  const left = summary.plannedBytes - summary.bytesIn;
  const rate = speed > 0 ? `, ${formatBytes(speed)}/s` : '';
  const eta = summary.scanned && speed > 0 && left > 0 ? `, ${formatSeconds(left / speed)} left` : '';
  const done = `${formatBytes(summary.bytesIn)} of ${formatBytes(summary.plannedBytes)}`;
  const skipped = summary.skipped > 0 ? `, ${formatNumber(summary.skipped)} skipped` : '';
  const archives = `${formatNumber(summary.archives)} of ${formatCount(summary.groups, 'archive')}`;
  return [
    `  total     ${bar(summary.bytesIn, summary.plannedBytes)} ${done}${rate}${eta}`,
    `  on tape   ${archives}, ${formatBytes(summary.bytesOut)}${skipped}`,
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
