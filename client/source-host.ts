import { homeHost, hostAway, hostInQueues, listHosts } from '../catalog/hosts/hosts.js';
import { isPostgres } from '../config/catalog-url.js';
import type { SetRow } from '../catalog/rows.js';
import { shownHost } from '../catalog/sets/set-host.js';
import { usageFailure } from '../config/failures.js';
import { hostPath } from '../entry/host-path.js';
import type { Session } from './session.js';
import { english } from '../messages/sentence.js';
import { t } from '../messages/shown.js';

/**
 * The host of sources as sets and queues have it: null for the home of the installation. Throws a usage failure for a
 * host that the catalog does not know.
 *
 * @param elsewhere another host than this one; undefined: this one.
 */
export async function sourceHost(session: Session, elsewhere: string | undefined): Promise<string | null> {
  const { settings } = session;
  if (elsewhere === undefined && !isPostgres(settings.CATALOG_URL)) return null;
  const catalog = await session.catalog();
  const hosts = await listHosts(catalog);
  if (elsewhere !== undefined && !hosts.some(({ name }) => name === elsewhere)) {
    const names = hosts.map(({ name }) => name).filter((name) => name !== settings.TAPEFLOW_HOST);
    throw usageFailure(
      'NoSuchHost',
      names.length === 0
        ? english`This installation has no host ${elsewhere}, nor any other than this one.`
        : english`This installation has no host ${elsewhere}; the others are: ${names.join(', ')}.`,
      english`A path of this host that has a colon begins with / or ./, as in ./${elsewhere}:…`,
    );
  }
  return (await hostInQueues(catalog, elsewhere ?? settings.TAPEFLOW_HOST)) ?? null;
}

/**
 * The same for what sets have on tape: a host that is gone, or was known to another catalog, has sets still.
 *
 * @param name as it was given; undefined: this one.
 */
export async function hostInSets(session: Session, name: string | undefined): Promise<string | null> {
  const { settings } = session;
  const catalog = await session.catalog();
  if (name === undefined || name === settings.TAPEFLOW_HOST)
    return (await hostInQueues(catalog, settings.TAPEFLOW_HOST)) ?? null;
  return (await homeHost(catalog)) === name ? null : name;
}

/**
 * A path that was given for a set, without the host that may stand before it. Throws a usage failure where that is not
 * the host of the set.
 */
export async function pathInSet(
  session: Session,
  set: Pick<SetRow, 'id' | 'host'>,
  given: string,
): Promise<string> {
  const { host, path } = hostPath(given);
  if (host === undefined || (await hostInSets(session, host)) === set.host) return path;
  const of = (await shownHost(await session.catalog(), set)) ?? session.settings.TAPEFLOW_HOST;
  throw usageFailure(
    'OtherHost',
    english`Set ${set.id} is of host ${of}, and ${given} is on host ${host}.`,
    english`A path that has a colon begins with / or ./, as in ./${given}`,
  );
}

/** A note for whoever begins a set of a host, as `sourceHost` has it, whose archive worker is away. */
export async function awayNote(session: Session, host: string | null): Promise<string | undefined> {
  // A file has one host.
  if (!isPostgres(session.settings.CATALOG_URL)) return undefined;
  const away = await hostAway(await session.catalog(), host);
  return away && t`No archive worker of host ${away.host} was heard of lately: the set waits for it.`;
}
