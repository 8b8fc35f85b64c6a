import { hostsInTwoPlaces, twoPlacesAdvice, twoPlacesText } from '../../catalog/hosts/host-places.js';
import { signOfLifeMs } from '../../catalog/hosts/host-conflict.js';
import { listLooks, type StagingLook } from '../../catalog/hosts/staging-looks.js';
import type { HostRow } from '../../catalog/rows.js';
import { formatTime } from '../../config/local-time.js';
import { hostsAtWork, type HostAtWork } from '../print/host-lines.js';
import type { Session } from '../session.js';
import type { Check } from './disk-checks.js';
import { english } from '../../messages/sentence.js';

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
    return { what: english`host ${name}`, level: 'trouble', finding, advice: twoPlacesAdvice };
  });
  if (hosts.length === 0) return twice;
  const looks = await listLooks(catalog);
  const working = new Set(hosts.filter(({ workers }) => workers.length > 0).map(({ host }) => host.name));
  const checks = hosts.flatMap((one) => {
    const { host } = one;
    if (!working.has(host.name)) return [hostCheck(one)];
    const look = looks.get(host.name);
    return [
      hostCheck(one),
      clockCheck(host),
      ...(look === undefined ? [] : [stagingCheck(look, looks, working)]),
    ];
  });
  return [...checks, ...twice];
}

function hostCheck({ host, workers }: HostAtWork): Check {
  const what = english`host ${host.name}`;
  const { machine, version } = host;
  const who =
    workers.length > 0
      ? workers.join(', ')
      : english`no worker was heard of since ${formatTime(host.heard_at)}`;
  const finding =
    host.home === 1
      ? english`${who} (${machine}, tapeflow ${version}; it made the installation)`
      : english`${who} (${machine}, tapeflow ${version})`;
  if (workers.length > 0) return { what, level: 'ok', finding };
  return {
    what,
    level: 'note',
    finding,
    advice: english`Start its workers: what needs its sources or drives waits for them.`,
  };
}

function clockCheck({ name, clock_ahead: ahead }: HostRow): Check {
  const what = english`clock of host ${name}`;
  const seconds = Math.round(Math.abs(ahead) / 1000);
  if (Math.abs(ahead) <= maxClockSkewMs)
    return { what, level: 'ok', finding: english`agrees with the catalog’s` };
  return {
    what,
    level: 'trouble',
    finding:
      ahead > 0
        ? english`is ${seconds} s ahead of the catalog’s`
        : english`is ${seconds} s behind the catalog’s`,
    advice: english`Set all of them by NTP: time-outs and the times of events depend on it.`,
  };
}

/** Looks at hosts that work now only: others may have left their marks when staging was elsewhere. */
function stagingCheck(
  { host, root, unseen, at }: StagingLook,
  looks: ReadonlyMap<string, StagingLook>,
  working: ReadonlySet<string>,
): Check {
  const what = english`staging of host ${host}`;
  const lacking = unseen.filter((name) => working.has(name));
  if (lacking.length === 0)
    return { what, level: 'ok', finding: english`${root} has what the other hosts write` };
  // A mark that was not there yet when it looked says nothing; one that is never left is missed by its own host's look.
  const missed = lacking.filter((name) => (looks.get(name)?.markedAt ?? Infinity) < at);
  if (missed.length === 0)
    return {
      what,
      level: 'note',
      finding: english`${root} was not looked at since host ${lacking.join(' and host ')} wrote there`,
      advice: english`Hosts look every ${signOfLifeMs / 1000} s: run \`doctor\` again then.`,
    };
  return {
    what,
    level: 'trouble',
    finding: english`${root} does not have what host ${missed.join(' and host ')} wrote`,
    advice: english`BACKUP_COMPRESS_DIR must be one folder that all hosts share, mounted, and readable by
      their workers.`,
  };
}
