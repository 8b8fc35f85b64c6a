import type { ExcludedCount, SetSummary } from '../../catalog/sets/set-summary.js';
import { formatCount, formatNumber } from '../../config/counts.js';

/** Maximum number of lines of each kind that are printed; `status SET --json` has all. */
const shownFirst = 20;

/** Lines on what a set leaves out: folders, and how much each exclude took; `label` begins each of them. */
export function leftOutLines(summary: Pick<SetSummary, 'leftOut' | 'excludes'>, label: string): string[] {
  const took = summary.excludes.filter(({ entries }) => entries > 0).map(tookText);
  return [...firstOf(summary.leftOut), ...firstOf(took)].map((line) => `  ${label} ${line}`);
}

/** A warning for each exclude that took nothing in a set whose sources were all walked. */
export function uselessExcludes({ excludes, scanned }: Pick<SetSummary, 'excludes' | 'scanned'>): string[] {
  if (!scanned) return [];
  return firstOf(excludes.filter(({ entries }) => entries === 0).map(uselessText));
}

function firstOf(lines: readonly string[]): string[] {
  const more = lines.length - shownFirst;
  return more <= 0 ? [...lines] : [...lines.slice(0, shownFirst), `and ${formatNumber(more)} more`];
}

/** Blanks at the ends count, so they are made visible. */
function optionText({ option, value }: ExcludedCount): string {
  const shown = /^\s|\s$|\n/.test(value) ? JSON.stringify(value) : value;
  return value === '' ? option : `${option} ${shown}`;
}

function tookText(count: ExcludedCount): string {
  const { option, value, entries } = count;
  if (option !== '--exclude') return `${optionText(count)}: what is in ${formatCount(entries, 'folder')}`;
  const counted = formatCount(entries, 'entry', 'entries');
  return `${optionText(count)}: ${value.startsWith('!') ? 'kept ' : ''}${counted}`;
}

function uselessText(count: ExcludedCount): string {
  const { value, means = [] } = count;
  const what = value.startsWith('!') ? 'kept nothing' : 'took nothing';
  const where = means.length === 0 ? '' : `; it means ${means.join(' or ')}`;
  return `${optionText(count)} ${what}${where}.`;
}
