import { shown, t } from '../../messages/shown.js';
import { stateWord } from '../../catalog/schema/state-words.js';
import { formatCount, formatNumber } from '../../config/counts.js';
import { formatTime } from '../../config/local-time.js';
import { formatBytes } from '../../config/sizes.js';
import type { Report } from '../../operations/report/report.js';
import { speedText } from './report-tables.js';

/** A figure of the whole report: what it is, the figure, and what else is to be said of it. */
export interface SummaryFigure {
  name: string;
  value: string;
  more: string;
}

/** The period in words. */
export function periodText({ from, to }: Report): string {
  return formatTime(from).slice(0, 16) + t` to ` + formatTime(to).slice(0, 16);
}

/** The figures that stand at the head of a report. */
export function summaryFigures(report: Report): SummaryFigure[] {
  const { sets, growth, trees, facts } = report;
  const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);
  const written = sum(sets.map((set) => set.written));
  const seconds = sum(sets.map((set) => set.writeSeconds));
  const archives = sum(trees.map((tree) => tree.archives));
  const ofAll = archives === 1 ? t`of 1 archive` : t`of ${formatNumber(archives)} archives`;
  const single = sum(trees.map((tree) => tree.single));
  const unverified = sum(trees.map((tree) => tree.unverified));
  return [
    { name: t`Sets`, value: formatNumber(sets.length), more: countStates(sets.map(({ state }) => state)) },
    {
      ...{ name: t`Came to tape`, value: formatBytes(growth.added.bytes) },
      more: t`in ${formatCount(growth.added.archives, 'archive')}; each copy counts`,
    },
    {
      ...{ name: t`On tape now`, value: formatBytes(growth.before.bytes + growth.added.bytes) },
      more: t`${formatCount(growth.before.archives + growth.added.archives, 'archive')}; each copy counts`,
    },
    {
      ...{ name: t`Speed`, value: speedText(written, seconds) || t`not known` },
      more: t`while tapes were written`,
    },
    {
      ...{ name: t`One copy only`, value: formatNumber(single) },
      more: ofAll,
    },
    {
      ...{ name: t`Never verified`, value: formatNumber(unverified) },
      more: ofAll,
    },
    {
      ...{ name: t`Needs a person`, value: formatNumber(facts.length) },
      more: facts.length === 0 ? t`nothing does` : t`see below`,
    },
  ];
}

function countStates(states: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const state of states) counts.set(state, (counts.get(state) ?? 0) + 1);
  return [...counts].map(([state, count]) => `${formatNumber(count)} ${shown(stateWord(state))}`).join(t`, `);
}
