import type { StoredFigure } from '../../catalog/figures/stored-figures.js';
import type { SetRow } from '../../catalog/rows.js';
import type { SetState } from '../../catalog/schema/set-tables.js';
import type { Holding } from '../../catalog/sets/holdings.js';

/** The sets of the same sources on the same host. Times in milliseconds since 1970, sizes in bytes. */
export interface ReportedTree {
  host: string | null;
  sources: string[];
  /** Sets that began in the period, and how many of them are complete, also with skipped files. */
  sets: number;
  succeeded: number;
  /** When the newest set began that is complete; null: none. */
  lastSuccess: number | null;
  /** What that found in the sources, and what the newest one before the period did; null: it is not known. */
  size: Holding | null;
  formerSize: Holding | null;
  /** What tapes hold of its sets, each archive once; of that, what has one good copy, none, or was never read. */
  archives: number;
  bytesOut: number;
  single: number;
  singleBytes: number;
  none: number;
  unverified: number;
  unverifiedBytes: number;
}

const successes: readonly SetState[] = ['completed', 'completed_with_skips', 'expired'];

/** Every tree, in the order of its name. */
export function treesOf(
  sets: readonly SetRow[],
  stored: readonly StoredFigure[],
  from: number,
): ReportedTree[] {
  const figures = new Map(stored.map((figure) => [figure.setId, figure]));
  const bySources = new Map<string, SetRow[]>();
  for (const set of sets) {
    const key = `${set.host ?? ''} ${set.sources}`;
    const tree = bySources.get(key);
    if (tree === undefined) bySources.set(key, [set]);
    else tree.push(set);
  }
  return [...bySources]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, ofTree]) => treeOf(ofTree, figures, from));
}

function treeOf(
  sets: readonly SetRow[],
  figures: ReadonlyMap<string, StoredFigure>,
  from: number,
): ReportedTree {
  const good = sets
    .filter(({ state }) => successes.includes(state))
    .sort((a, b) => a.created_at - b.created_at || (a.id < b.id ? -1 : 1));
  const inPeriod = sets.filter(({ created_at: at }) => at >= from);
  const newest = good.at(-1);
  // Without one before the period, the first one in it.
  const former = good.findLast(({ created_at: at }) => at < from) ?? good[0];
  const of = sets.map(({ id }) => figures.get(id)).filter((figure) => figure !== undefined);
  const sum = (name: Exclude<keyof StoredFigure, 'setId'>) =>
    of.reduce((total, figure) => total + figure[name], 0);
  const [{ host, sources } = { host: null, sources: '[]' }] = sets;
  return {
    ...{ host, sources: JSON.parse(sources) as string[] },
    sets: inPeriod.length,
    succeeded: inPeriod.filter(({ state }) => successes.includes(state)).length,
    lastSuccess: newest?.created_at ?? null,
    size: sizeOf(newest),
    formerSize: former === newest ? null : sizeOf(former),
    ...{ archives: sum('archives'), bytesOut: sum('bytesOut') },
    ...{ single: sum('single'), singleBytes: sum('singleBytes'), none: sum('none') },
    ...{ unverified: sum('unverified'), unverifiedBytes: sum('unverifiedBytes') },
  };
}

/** What a set found in all of its sources, if its scan has noted it. */
function sizeOf(set: SetRow | undefined): Holding | null {
  if (set === undefined || set.holdings === null) return null;
  const sum: Holding = { files: 0, bytes: 0 };
  for (const { files, bytes } of JSON.parse(set.holdings) as Holding[]) {
    sum.files += files;
    sum.bytes += bytes;
  }
  return sum;
}
