import { inspectCatalog } from '../../catalog/backup/inspect-catalog.js';
import { openCatalog } from '../../catalog/open-catalog.js';
import { shownCatalog } from '../../config/catalog-url.js';
import { formatCount } from '../../config/counts.js';
import type { Settings } from '../../config/settings/settings.js';
import { checkWriteLock, failedCheck, type Check } from './disk-checks.js';
import { english } from '../../messages/sentence.js';

/** The catalog: whether it opens, is whole, and can be written. */
export async function checkCatalog(settings: Settings): Promise<Check> {
  const what = english`catalog`;
  try {
    const catalog = await openCatalog(settings.CATALOG_URL, settings.TAPEFLOW_DATA_DIR);
    try {
      const { sets, verdict, server } = await inspectCatalog(catalog, settings.CATALOG_URL);
      if (verdict !== 'ok') {
        return {
          what,
          level: 'trouble',
          finding: english`${shownCatalog(settings.CATALOG_URL)} is damaged: ${verdict}`,
          advice: english`See docs/recovery.md, "The catalog is lost".`,
        };
      }
      return (
        (await checkWriteLock(catalog, settings)) ?? {
          what,
          level: 'ok',
          finding: [shownCatalog(settings.CATALOG_URL), server, formatCount(sets, 'set')]
            .filter((part) => part !== undefined)
            .join(', '),
        }
      );
    } finally {
      await catalog.destroy();
    }
  } catch (error) {
    return failedCheck(what, error);
  }
}
