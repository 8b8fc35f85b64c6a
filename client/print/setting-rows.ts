import { shownCatalog } from '../../config/catalog-url.js';
import { formatDuration } from '../../config/durations.js';
import {
  countsText,
  type PoolRetention,
  type Retention,
  retentionOf,
} from '../../config/settings/retention.js';
import type { Settings } from '../../config/settings/settings.js';
import type { SettingName } from '../../config/settings/settings-schema.js';
import { formatBytes } from '../../config/sizes.js';
import { shown, t } from '../../messages/shown.js';

/** The settings in force, each with its value for people and where that comes from. */
export function settingRows(settings: Settings): [string, string, string][] {
  const rows: [string, string, string][] = [];
  const values = settings as unknown as Record<string, unknown>;
  for (const name of Object.keys(settings.origins) as (
    SettingName | 'drives' | 'pools' | 'notify' | 'hooks'
  )[]) {
    if (name === 'drives' || name === 'pools' || name === 'notify' || name === 'hooks') continue;
    if (name === 'POOL_RETENTION' || name === 'POOL_KEEP') {
      rows.push([name, keepingText(name, settings), shown(settings.origins[name])]);
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
      shown(settings.origins[name]),
    ]);
  }
  for (const drive of settings.drives) {
    rows.push([
      t`drive ${drive.name}`,
      `${drive.kind} ${drive.path}`,
      shown(drive.ours ? 'default' : settings.origins['drives']),
    ]);
  }
  for (const pool of Object.keys(settings.retentions.pools))
    rows.push([
      t`pool ${pool}`,
      poolText(retentionOf(settings.retentions, pool)),
      shown(settings.origins['pools']),
    ]);
  for (const { name, kind, events } of settings.channels)
    rows.push([
      t`channel ${name}`,
      `${kind}${events === undefined ? '' : `: ${events.join(', ')}`}`,
      shown(settings.origins['notify']),
    ]);
  for (const [name, { before, after }] of Object.entries(settings.hooks))
    rows.push([
      t`hook ${name}`,
      [before, after].flatMap((command) => (command === undefined ? [] : [command.join(' ')])).join('; '),
      shown(settings.origins['hooks']),
    ]);
  return rows;
}

/** `POOL_RETENTION` alone keeps for ever unless something is given; beside `POOL_KEEP`, nothing. */
function keepingText(name: 'POOL_RETENTION' | 'POOL_KEEP', settings: Settings): string {
  const { POOL_RETENTION: retention, POOL_KEEP: counts, retentions } = settings;
  if (name === 'POOL_KEEP') return counts === undefined ? '–' : countsText(counts);
  return retentions.keep?.otherwise?.alone === true
    ? t`– (POOL_KEEP alone decides)`
    : shownRetention(retention);
}

function poolText({ seconds, counts }: PoolRetention): string {
  const byTime = seconds === 0 ? [] : [t`retention ${shownRetention(seconds)}`];
  return [...byTime, ...(counts === undefined ? [] : [t`keep ${countsText(counts)}`])].join('; ');
}

function shownRetention(retention: Retention): string {
  return retention === null ? t`forever` : formatDuration(retention);
}
