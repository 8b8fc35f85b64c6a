import type { ExcludedCount, SetSummary } from '../../catalog/sets/set-summary.js';
import { formatCount, formatNumber } from '../../config/counts.js';
import { shown, t } from '../../messages/shown.js';

/** Maximum number of lines of each kind that are printed; `status SET --json` has all. */
const shownFirst = 20;

/** Lines on what a set leaves out: folders, and how much each exclude took; `label` begins each of them. */
export function leftOutLines(summary: Pick<SetSummary, 'leftOut' | 'excludes'>, label: string): string[] {
  const took = summary.excludes.filter(({ entries }) => entries > 0).map(tookText);
  return [...firstOf(summary.leftOut.map(shown)), ...firstOf(took)].map((line) => `  ${label} ${line}`);
}

/** A warning for each exclude that took nothing in a set whose sources were all walked. */
export function uselessExcludes({ excludes, scanned }: Pick<SetSummary, 'excludes' | 'scanned'>): string[] {
  if (!scanned) return [];
  return firstOf(excludes.filter(({ entries }) => entries === 0).map(uselessText));
}

function firstOf(lines: readonly string[]): string[] {
  const more = lines.length - shownFirst;
  return more <= 0 ? [...lines] : [...lines.slice(0, shownFirst), t`and ${formatNumber(more)} more`];
}

/** Blanks at the ends count, so they are made visible. */
function optionText({ option, value }: ExcludedCount): string {
  const visible = /^\s|\s$|\n/.test(value) ? JSON.stringify(value) : value;
  return value === '' ? option : `${option} ${visible}`;
}

function tookText(count: ExcludedCount): string {
  const { option, value, entries } = count;
  if (option !== '--exclude')
    return `${optionText(count)}${t`: what is in ${formatCount(entries, 'folder')}`}`;
  const counted = formatCount(entries, 'entry', 'entries');
  if (value.startsWith('!')) return `${optionText(count)}${t`: kept ${counted}`}`;
  return `${optionText(count)}${t`: `}${shown(counted)}`;
}

function uselessText(count: ExcludedCount): string {
  const { value, means = [] } = count;
  const where = means.length === 0 ? '' : t`; it means ${means.join(t` or `)}`;
  return value.startsWith('!')
    ? t`${optionText(count)} kept nothing${where}.`
    : t`${optionText(count)} took nothing${where}.`;
}
