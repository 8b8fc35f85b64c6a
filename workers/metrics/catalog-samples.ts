import { createHash } from 'node:crypto';
import { finalSetStates, type SetState } from '../../catalog/schema/set-tables.js';
import type { CatalogFigures } from './catalog-figures.js';

/** A value of a metric, with its labels. */
export type Sample = [labels: Record<string, string>, value: number];

/** All of them: one that no set is in has 0. */
export const setStates: readonly SetState[] = [
  ...(['scanning', 'running', 'waiting_for_tape', 'paused'] as const),
  ...finalSetStates,
];

/** Longest text of a label, in characters. */
const longestLabel = 200;

/** The sources of a tree as a label: a text that is too long is cut, and stays unique by its hash. */
function sourcesLabel(json: string): string {
  const text = (JSON.parse(json) as string[]).join(' ');
  if (text.length <= longestLabel) return text;
  const hash = createHash('sha256').update(json).digest('hex').slice(0, 8);
  return `${text.slice(0, longestLabel - 10)}… ${hash}`;
}

/** What waits are told apart by. */
export const waitLabels = ['kind', 'awaits', 'drive', 'pool'] as const;

/** Waits with the same labels: how many there are, and the longest, in milliseconds. */
export interface WaitsAlike {
  labels: Record<string, string>;
  count: number;
  ms: number;
}

/** The waits, those with the same labels as one. */
export function waitsAlike({ waits }: CatalogFigures): WaitsAlike[] {
  const alike = new Map<string, WaitsAlike>();
  for (const wait of waits) {
    const labels = Object.fromEntries(waitLabels.map((label) => [label, wait[label]]));
    const key = JSON.stringify(labels);
    const before = alike.get(key) ?? { labels, count: 0, ms: 0 };
    alike.set(key, { labels, count: before.count + 1, ms: Math.max(before.ms, wait.ms) });
  }
  return [...alike.values()];
}

/** The trees by host and sources; in seconds since 1970, when the last one began that was a success. */
export function treeSamples({ trees, schedules, hosts }: CatalogFigures): Sample[] {
  const key = (host: string | null, sources: string) => JSON.stringify([host, JSON.parse(sources)]);
  const home = hosts.find((host) => host.home === 1)?.name ?? '';
  const scheduled = new Set(schedules.flatMap(({ tree }) => (tree ? [key(tree.host, tree.sources)] : [])));
  return trees.map(({ host, sources, newest }) => [
    {
      host: host ?? home,
      sources: sourcesLabel(sources),
      scheduled: String(scheduled.has(key(host, sources))),
    },
    Number(newest) / 1000,
  ]);
}

/** For people, a failed group is a parked one; there is always a number of these. */
export function withParked(samples: Sample[]): Sample[] {
  const named = samples.map(([{ state = '' }, value]): Sample => {
    return [{ state: state === 'failed' ? 'parked' : state }, value];
  });
  return named.some(([{ state }]) => state === 'parked') ? named : [...named, [{ state: 'parked' }, 0]];
}
