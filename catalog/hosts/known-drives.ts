import { isPostgres } from '../../config/catalog-url.js';
import type { DriveKind } from '../../config/settings/setting-types.js';
import type { DriveSettings, Settings } from '../../config/settings/settings.js';
import type { Catalog } from '../open-catalog.js';
import { isHeard } from './host-conflict.js';
import { listHostDrives } from './host-drives.js';
import { timeOf } from './hosts.js';

/**
 * The settings with the drives of the installation's other hosts beside those of this one. A name in both is that of
 * the other host's drive while its worker runs, or where this one has only the default folder.
 */
export async function withDrivesOfHosts<
  Given extends Pick<Settings, 'drives' | 'CATALOG_URL' | 'TAPEFLOW_HOST'>,
>(settings: Given, open: () => Promise<Catalog>): Promise<Given> {
  // A file has one host.
  if (!isPostgres(settings.CATALOG_URL)) return settings;
  const catalog = await open();
  const now = await timeOf(catalog);
  const rows = (await listHostDrives(catalog)).filter(({ host }) => host !== settings.TAPEFLOW_HOST);
  const own = settings.drives.filter((drive) => {
    const theirs = rows.find(({ name }) => name === drive.name);
    return theirs === undefined || (!drive.ours && !isHeard(theirs.heard_at, now));
  });
  const others = rows
    .filter(({ name }) => !own.some((drive) => drive.name === name))
    .map(({ name, path, kind, host }): DriveSettings => {
      return { name, path, kind: kind as DriveKind, ours: false, host };
    });
  return { ...settings, drives: [...own, ...others] };
}
