import { type ScanProgress, scanInThread } from '../../source/scan.js';
import { placesOf } from '../../catalog/sets/copy-places.js';
import { takenOf } from '../../catalog/sets/taken-options.js';
import { setNamed } from '../../catalog/sets/sets.js';
import type { ExcludeRule } from '../../entry/excludes.js';
import { ownEntries, ownFolders } from '../../disk/own-folders.js';
import { setLimit } from '../../tape/requirements/tape-limit.js';
import { ThreadWatch } from '../../disk/thread-watch.js';
import { asAttempt } from '../attempt.js';
import { usualCondition } from '../conditions.js';
import type { Attempt } from '../../operations/attempt.js';
import type { Deps } from '../../operations/deps.js';
import { afterLeft, askedSources, whomOfSource } from './asked-sources.js';
import { isDriveElsewhere, requireHere } from './host-of-sources.js';
import { setOptions } from '../../operations/sets/set-options.js';

/**
 * Walks the sources of a set and cuts them into groups. Continues after the last batch in the catalog, never from a
 * heartbeat.
 */
export function scanSources(deps: Deps, setId: string): Promise<ScanProgress> {
  const asks = askedSources(deps.settings);
  const scan = async (attempt: Attempt): Promise<ScanProgress> => {
    const { settings, catalog, logger } = deps;
    const set = await setNamed(catalog, setId);
    let last: ScanProgress = { entries: 0, bytes: 0, groups: 0 };
    if (set.scanned === 1) return last;
    const options = setOptions(set);
    const sources = JSON.parse(set.sources) as string[];
    await afterLeft(attempt, sources);
    await requireHere(deps, set, asks);
    // Compressed directly to tape, it would be on that tape only; and the drive's worker must be where the sources are.
    // Else files of any size are staged.
    const mayBeDirect = placesOf(set).length === 1 && !(await isDriveElsewhere(deps, set.drive));
    const watch = new ThreadWatch();
    asks.follow({
      moves: () => watch.moves,
      whom: () => whomOfSource(sources[watch.asks()?.number ?? -1], takenOf(set).list),
      giveUp: () => watch.tell('given up'),
    });
    const finished = await scanInThread(
      {
        catalogFile: settings.CATALOG_URL,
        setId,
        sources,
        excludes: JSON.parse(set.excludes) as ExcludeRule[],
        options: takenOf(set),
        ownFolders: ownFolders(settings).map((folder) => folder.path),
        ownEntries: ownEntries(settings),
        limits: {
          groupBytes: options.groupBytes,
          groupFiles: options.groupFiles,
          stagingBytes: mayBeDirect ? options.stagingBytes : Number.MAX_SAFE_INTEGER,
          direct: set.direct === 1,
          tapeBytes: (await setLimit(catalog, set))?.bytes ?? Number.MAX_SAFE_INTEGER,
        },
      },
      attempt.signal,
      (progress) => {
        last = progress;
        attempt.report(progress);
      },
      watch,
    ).finally(() => asks.follow(undefined));
    if (!finished) attempt.throwIfCancelled();
    logger.info({ setId, ...last }, 'scanned');
    return last;
  };
  return asAttempt(scan, usualCondition, asks);
}
