import { english } from '../../messages/sentence.js';
import { TapeflowFailure } from '../../config/failures.js';
import type { Catalog } from '../open-catalog.js';
import { placesOf } from '../sets/copy-places.js';
import { finalRetrievalStates } from '../schema/retrieval-tables.js';
import { finalSetStates } from '../schema/set-tables.js';
import { placeKey } from './host-places.js';
import { heardHosts, listHosts, timeOf } from './hosts.js';
import { lookKey } from './staging-looks.js';

/**
 * Forgets a host and its drives; its sets stay as they are, and are restored like any others. If it comes back, its
 * first worker makes it known again.
 *
 * Throws `HostNeeded`, with what needs it: it made the installation, its workers are at work, or an unfinished set or
 * retrieval or a schedule uses its sources, its drives or a target there.
 *
 * @returns false when there is no host of that name.
 */
export function forgetHostNamed(catalog: Catalog, name: string): Promise<boolean> {
  return catalog.transaction().execute(async (tx) => {
    const host = (await listHosts(tx)).find((one) => one.name === name);
    if (host === undefined) return false;
    if (host.home === 1)
      throw needed(
        name,
        english`it made the installation, and its sets are known without its name`,
        english`Another machine takes its place with TAPEFLOW_HOST=${name}.`,
      );
    if ((await heardHosts(tx, await timeOf(tx))).has(name))
      throw needed(
        name,
        english`its workers are at work, or were a moment ago`,
        english`Stop them; of those that were killed, this is known two minutes later.`,
      );
    const users = await usersOf(tx, name);
    if (users.length > 0)
      throw needed(
        name,
        english`${[...users.slice(0, 5), ...(users.length > 5 ? ['…'] : [])].join(', ')} need it`,
        english`Let them end or cancel them, and remove the schedules.`,
      );
    await tx.deleteFrom('host_drives').where('host', '=', name).execute();
    await tx
      .deleteFrom('meta')
      .where('key', 'in', [lookKey(name), placeKey(name)])
      .execute();
    await tx.deleteFrom('hosts').where('name', '=', name).execute();
    return true;
  });
}

/** What needs the host or one of its drives and has not ended, as words of a sentence. */
async function usersOf(tx: Catalog, host: string): Promise<string[]> {
  const rows = await tx.selectFrom('host_drives').select('name').where('host', '=', host).execute();
  const drives = new Set(rows.map(({ name }) => name));
  const sets = await tx
    .selectFrom('sets')
    .select(['id', 'host', 'pool', 'drive', 'places'])
    .where('state', 'not in', finalSetStates)
    .orderBy('id')
    .execute();
  const retrievals = await tx
    .selectFrom('retrievals')
    .select(['id', 'drive', 'to_drive', 'target_host'])
    .where('state', 'not in', finalRetrievalStates)
    .orderBy('id')
    .execute();
  const schedules = await tx.selectFrom('schedules').select(['name', 'arguments']).orderBy('name').execute();
  return [
    ...sets
      .filter((set) => set.host === host || placesOf(set).some(({ drive }) => drives.has(drive)))
      .map(({ id }) => `set ${id}`),
    ...retrievals
      .filter((one) => one.target_host === host || drives.has(one.drive) || drives.has(one.to_drive ?? ''))
      .map(({ id }) => id),
    ...schedules
      .filter((schedule) => isNamedIn(JSON.parse(schedule.arguments), host, drives))
      .map(({ name }) => `schedule ${name}`),
  ];
}

/** True when the arguments of a schedule name the host, or one of the drives, anywhere in them. */
function isNamedIn(value: unknown, host: string, drives: ReadonlySet<string>): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).some(([key, part]: [string, unknown]) => {
    if (typeof part !== 'string') return isNamedIn(part, host, drives);
    return key === 'host' ? part === host : /drive$/i.test(key) && drives.has(part);
  });
}

function needed(name: string, why: string, advice: string): TapeflowFailure {
  return new TapeflowFailure('HostNeeded', english`Host ${name} cannot be forgotten: ${why}.`, { advice });
}
