import { hostsInTwoPlaces, twoPlacesAdvice, twoPlacesText } from '../../catalog/hosts/host-places.js';
import { listLooks, type StagingLook } from '../../catalog/hosts/staging-looks.js';
import type { HostRow } from '../../catalog/rows.js';
import { formatTime } from '../../config/local-time.js';
import { hostsAtWork, type HostAtWork } from '../print/host-lines.js';
import type { Session } from '../session.js';
import type { Check } from './disk-checks.js';

/** Milliseconds by which the clock of a host may differ from the catalog's. */
const maxClockSkewMs = 5000;

/**
 * The hosts of the installation, where there are several: who was heard of, whether their clocks agree, and whether all
 * see the same staging; and of each host, whether its data folder was copied and is in use twice.
 */
export async function checkHosts(session: Pick<Session, 'catalog'>): Promise<Check[]> {
  const catalog = await session.catalog();
  const hosts = await hostsAtWork(catalog);
  const twice = [...(await hostsInTwoPlaces(catalog))].map(([name, places]): Check => {
    const finding = twoPlacesText(places);
    return { what: `host ${name}`, level: 'trouble', finding, advice: twoPlacesAdvice };
  });
  if (hosts.length === 0) return twice;
  const looks = await listLooks(catalog);
  const working = new Set(hosts.filter(({ workers }) => workers.length > 0).map(({ host }) => host.name));
  const checks = hosts.flatMap((one) => {
    const { host } = one;
    if (!working.has(host.name)) return [hostCheck(one)];
    const look = looks.get(host.name);
    return [hostCheck(one), clockCheck(host), ...(look === undefined ? [] : [stagingCheck(look, working)])];
  });
  return [...checks, ...twice];
}

function hostCheck({ host, workers }: HostAtWork): Check {
  const what = `host ${host.name}`;
  const where = `${host.machine}, tapeflow ${host.version}${host.home === 1 ? '; it made the installation' : ''}`;
  if (workers.length > 0) return { what, level: 'ok', finding: `${workers.join(', ')} (${where})` };
  return {
    what,
    level: 'note',
    finding: `no worker was heard of since ${formatTime(host.heard_at)} (${where})`,
    advice: 'Start its workers: what needs its sources or drives waits for them.',
  };
}

function clockCheck({ name, clock_ahead: ahead }: HostRow): Check {
  const what = `clock of host ${name}`;
  if (Math.abs(ahead) <= maxClockSkewMs) return { what, level: 'ok', finding: 'agrees with the catalog’s' };
  return {
    what,
    level: 'trouble',
    finding: `is ${Math.round(Math.abs(ahead) / 1000)} s ${ahead > 0 ? 'ahead of' : 'behind'} the catalog’s`,
    advice: 'Set all of them by NTP: time-outs and the times of events depend on it.',
  };
}

/** Looks at hosts that work now only: others may have left their marks when staging was elsewhere. */
function stagingCheck({ host, root, unseen }: StagingLook, working: ReadonlySet<string>): Check {
  const what = `staging of host ${host}`;
  const lacking = unseen.filter((name) => working.has(name));
  if (lacking.length === 0) return { what, level: 'ok', finding: `${root} has what the other hosts write` };
  return {
    what,
    level: 'trouble',
    finding: `${root} does not have what ${lacking.map((name) => `host ${name}`).join(' and ')} wrote`,
    advice:
      'BACKUP_COMPRESS_DIR must be one folder that all hosts share, mounted, and readable by their workers.',
  };
}
