import type { Catalog } from '../../catalog/open-catalog.js';
import type { Fact } from './message.js';
import { endFacts, hookFacts, waitFacts } from './run-facts.js';
import { noSuccessFacts, scheduleFacts } from './schedule-facts.js';
import { damageFacts, singleCopyFacts, tapeFacts } from './tape-facts.js';

/** What a look at the catalog is to find. */
export interface Look {
  /** Milliseconds since 1970. */
  now: number;
  /** True where a run that is due would have begun: not just after a start, when the server catches up on runs. */
  mayBeMissed: boolean;
  /** Days without a success of a tree after which that is told; 0: never. */
  noSuccessDays: number;
}

/** What a look finds at once, by reading a few rows. */
export async function quickFacts(catalog: Catalog, { now, mayBeMissed }: Look): Promise<Fact[]> {
  return [
    ...(await endFacts(catalog, now)),
    ...(await hookFacts(catalog, now)),
    ...(await waitFacts(catalog, now)),
    ...(await tapeFacts(catalog, now)),
    ...(await damageFacts(catalog)),
    ...(await scheduleFacts(catalog, now, mayBeMissed)),
  ];
}

/** What reads every set and every copy, and changes over days. */
export async function slowFacts(catalog: Catalog, { now, noSuccessDays }: Look): Promise<Fact[]> {
  return [...(await noSuccessFacts(catalog, now, noSuccessDays)), ...(await singleCopyFacts(catalog))];
}
