import { shownCatalog } from '../../config/catalog-url.js';
import { formatDuration } from '../../config/durations.js';
import type { Retention } from '../../config/settings/retention.js';
import type { Settings } from '../../config/settings/settings.js';
import type { SettingName } from '../../config/settings/settings-schema.js';
import { formatBytes } from '../../config/sizes.js';

/** The settings in force, each with its value for people and where that comes from. */
export function settingRows(settings: Settings): [string, string, string][] {
  const rows: [string, string, string][] = [];
  const values = settings as unknown as Record<string, unknown>;
  for (const name of Object.keys(settings.origins) as (SettingName | 'drives' | 'pools' | 'notify')[]) {
    if (name === 'drives' || name === 'pools' || name === 'notify') continue;
    if (name === 'POOL_RETENTION') {
      rows.push([name, shownRetention(settings.POOL_RETENTION), settings.origins[name]]);
      continue;
    }
    const value = values[name] as string | number | boolean | undefined;
    const isBytes = typeof value === 'number' && /BYTES|SIZE|DRAIN_AT/.test(name);
    rows.push([
      name,
      value === undefined
        ? '–'
        : name === 'CATALOG_URL'
          ? shownCatalog(String(value))
          : isBytes
            ? `${value} (${formatBytes(value)})`
            : String(value),
      settings.origins[name],
    ]);
  }
  for (const drive of settings.drives) {
    rows.push([
      `drive ${drive.name}`,
      `${drive.kind} ${drive.path}`,
      drive.ours ? 'default' : settings.origins['drives'],
    ]);
  }
  for (const [pool, retention] of Object.entries(settings.retentions.pools))
    rows.push([`pool ${pool}`, `retention ${shownRetention(retention)}`, settings.origins['pools']]);
  for (const { name, kind, events } of settings.channels)
    rows.push([
      `channel ${name}`,
      `${kind}${events === undefined ? '' : `: ${events.join(', ')}`}`,
      settings.origins['notify'],
    ]);
  return rows;
}

function shownRetention(retention: Retention): string {
  return retention === null ? 'forever' : formatDuration(retention);
}
