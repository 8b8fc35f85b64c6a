import type { SetSummary } from '../../catalog/sets/set-summary.js';
import { recipientsShown } from '../../catalog/sets/recipients.js';
import { onHost } from '../../entry/host-path.js';
import { formatSeconds } from '../../config/durations.js';
import { formatBytes } from '../../config/sizes.js';
import { formatRanges } from '../../config/number-ranges.js';
import { formatCount, formatNumber } from '../../config/counts.js';
import { isVerified, modeText, resultObject } from './set-summary.js';
import { leftOutLines, uselessExcludes } from './excluded.js';
import { anotherCopy } from './retention-text.js';
import { stateText } from './state-text.js';
import { shown, t } from '../../messages/shown.js';

/** The object of a set that `status --json` prints. */
export function statusObject(summary: SetSummary): object {
  const { stages, reason, failedGroups, stagedBytes, plannedBytes, scanned, leftOut } = summary;
  const { mode, base, unchanged, copies, lostGroups } = summary;
  return {
    ...resultObject(summary),
    ...(summary.host === null ? {} : { host: summary.host }),
    ...(summary.recipients === undefined ? {} : { recipients: summary.recipients }),
    ...{ mode, base, unchanged, copies, lostGroups, reason, stages, failedGroups },
    ...{ stagedBytes, plannedBytes, scanned, leftOut },
  };
}

/** The sources of a set, with their host where there are several. */
export function sourcesText(
  { host, sources }: Pick<SetSummary, 'host' | 'sources'>,
  between: string,
): string {
  return sources.map((source) => onHost(host, source)).join(between);
}

/** The lines of a set that `status` prints for people. */
export function statusLines(summary: SetSummary): string[] {
  const mode = modeText(summary.mode, summary.base);
  const unchanged = formatCount(summary.unchanged, 'unchanged file');
  return [
    t`Set ${summary.setId}: ${stateText(summary)}`,
    t`  sources:   ${sourcesText(summary, ', ')}`,
    summary.unchanged === 0
      ? t`  mode:      ${mode}`
      : t`  mode:      ${mode}; earlier sets hold ${unchanged}`,
    ...(summary.recipients === undefined ? [] : [t`  encrypted: to ${recipientsShown(summary.recipients)}`]),
    ...(summary.status === 'expired'
      ? [t`  on tape:   nothing any more. ${anotherCopy}`]
      : progressLines(summary)),
  ];
}

/** What of a set is on which tapes. */
export function onTapeText(summary: SetSummary): string {
  const { archives, files, bytesIn, bytesOut, tapes, lostGroups } = summary;
  if (archives === 0) return lostGroups.length > 0 ? t`nothing any more` : t`nothing yet`;
  const where = tapes.join(', ') || (lostGroups.length > 0 ? t`no tape any more` : t`no tape yet`);
  const counts = [formatCount(archives, 'archive'), formatCount(files, 'entry', 'entries')];
  const on = t`, ${formatBytes(bytesIn)} as ${formatBytes(bytesOut)} on ${where}`;
  return `${counts.map(shown).join(t`, `)}${on}`;
}

/** What was read back since it was written; nothing where nothing was. */
function readBackLines(summary: SetSummary): string[] {
  const { copies, verified, damaged } = summary.readBack;
  if (isVerified(summary)) return [t`  verified:  every copy, ${formatCount(copies, 'archive')}`];
  if (verified + damaged === 0) return [];
  const bad = damaged === 0 ? '' : t`; ${formatCount(damaged, 'copy is', 'copies are')} DAMAGED`;
  return [t`  verified:  ${formatNumber(verified)} of ${formatCount(copies, 'copy', 'copies')}${bad}`];
}

function progressLines(summary: SetSummary): string[] {
  const copies =
    summary.copies.length === 1
      ? []
      : summary.copies.map(
          ({ pool, drive, archives }, index) =>
            t`  copy ${index + 1} of ${summary.copies.length}: pool ${pool}, drive ${drive}:
              ${formatNumber(archives)} of ${formatCount(summary.groups, 'archive is', 'archives are')}
              committed`,
        );
  const stages = Object.entries(summary.stages).map(
    ([stage, groups]) => `${formatNumber(groups)} ${shown(stage)}`,
  );
  const groups = formatCount(summary.groups, 'group');
  return [
    summary.scanned
      ? t`  scan:      done, ${groups}, ${formatBytes(summary.plannedBytes)}`
      : t`  scan:      goes on, ${groups}, ${formatBytes(summary.plannedBytes)}`,
    t`  groups:    ${stages.join(t`, `) || t`none yet`}`,
    t`  on tape:   ${onTapeText(summary)}`,
    ...copies,
    ...readBackLines(summary),
    t`  staging:   ${formatBytes(summary.stagedBytes)} held`,
    t`  time:      ${formatSeconds(summary.seconds)}`,
    ...(summary.lostGroups.length === 0
      ? []
      : [
          t`  LOST:      ${formatNumber(summary.lostGroups.length)} of
            ${formatCount(summary.groups, 'group was', 'groups were')} on lost tapes only:
            ${formatRanges(summary.lostGroups)}`,
        ]),
    ...leftOutLines(summary, t`left out: `),
    ...uselessExcludes(summary).map((line) => t`  warning:   ${line}`),
    ...summary.failedGroups
      .slice(0, 20)
      .map(({ group, reason }) => t`  FAILED:    group ${group} at ${reason}`),
    ...(summary.failedGroups.length > 0
      ? [t`  \`tapeflow retry ${summary.setId}\` tries the failed groups again.`]
      : []),
  ];
}
