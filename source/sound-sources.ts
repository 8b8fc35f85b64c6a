import type { Catalog } from '../catalog/open-catalog.js';
import { formerHoldings, type ComparedSet } from '../catalog/sets/holdings.js';
import type { ThreadWatch } from '../disk/thread-watch.js';
import type { ScanJob } from './scan.js';
import { leastOf, Sounding, type Shrunk } from './shrunk.js';
import { walk } from './walk.js';

/**
 * Looks into each source before anything of the set is written: whether it holds so much less than in earlier sets that
 * it can hardly be the same. Before every scan, also one that goes on: a share may be gone since.
 *
 * @returns the sources of which that is so; `stopped` when the thread has to end.
 */
export async function soundSources(
  catalog: Catalog,
  set: ComparedSet,
  job: Pick<ScanJob, 'sources' | 'excludes' | 'options' | 'ownFolders' | 'ownEntries'>,
  watch: ThreadWatch,
): Promise<'enough' | 'stopped' | Shrunk[]> {
  const formers = await formerHoldings(catalog, set);
  const shrunk: Shrunk[] = [];
  for (const [place, source] of job.sources.entries()) {
    const least = leastOf(formers, place);
    // A list of paths is a source by its name only.
    if (least.length === 0 || source === job.options?.list?.file) continue;
    const sounding = new Sounding(source, least);
    watch.reads(place);
    const entries = walk({ ...job, sources: [source], after: undefined, onLeftOut: () => undefined });
    for (const entry of entries) {
      watch.moved();
      if (watch.order !== 'go on') return 'stopped';
      if (sounding.count(entry)) break;
    }
    const found = sounding.shrunk();
    if (found !== undefined) shrunk.push(found);
  }
  watch.rests();
  return shrunk.length === 0 ? 'enough' : shrunk;
}
