import type { TakenOptions } from '../../entry/tally.js';
import type { SetRow } from '../rows.js';

/** The options of a set as it keeps them. */
export function takenText(taken: TakenOptions = {}): string | null {
  return Object.keys(taken).length === 0 ? null : JSON.stringify(taken);
}

/** What of its sources a set takes, besides its excludes. */
export function takenOf({ taken }: Pick<SetRow, 'taken'>): TakenOptions {
  return taken === null ? {} : (JSON.parse(taken) as TakenOptions);
}

/**
 * The paths below which everything of a set lies; none where that is not known: a list among its sources says where
 * the paths were named, not where they are.
 */
export function pathsAround(set: Pick<SetRow, 'taken' | 'sources'>): string[] {
  return takenOf(set).list === undefined ? (JSON.parse(set.sources) as string[]) : [];
}
