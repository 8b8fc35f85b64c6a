import { english } from '../../messages/sentence.js';
import type { Catalog } from '../open-catalog.js';
import { goneAfterMs } from './host-conflict.js';
import { timeOf } from './hosts.js';

/** Where the workers of a host run: a data folder that was copied has the same id and name, but is in another place. */
export interface HostPlace {
  /** Differs between two machines, and between two folders of one. */
  id: string;
  machine: string;
  dataDir: string;
}

interface Signed extends HostPlace {
  /** Another place from which workers were at work at the same time, and when that was seen last. */
  twin?: HostPlace & { at: number };
}

const prefix = 'host_place:';

/** Under which key `meta` has the place of a host. */
export const placeKey = (host: string) => `${prefix}${host}`;

/**
 * Signs for the place of a worker.
 *
 * @param hasSigned the worker has signed before. If another place has since, both are at work: what has ended, such as
 *   before a reboot, signs no more.
 * @returns that other place.
 */
export function signPlace(
  catalog: Catalog,
  host: string,
  place: HostPlace,
  hasSigned: boolean,
): Promise<HostPlace | undefined> {
  return catalog.transaction().execute(async (tx) => {
    const key = placeKey(host);
    const row = await tx.selectFrom('meta').select('value').where('key', '=', key).executeTakeFirst();
    const known = row && (JSON.parse(row.value) as Signed);
    if (known?.id === place.id) return undefined;
    const { id, machine, dataDir } = known ?? place;
    const other = hasSigned && known !== undefined ? { id, machine, dataDir } : undefined;
    const twin = other === undefined ? known?.twin : { ...other, at: await timeOf(tx) };
    const value = JSON.stringify({ ...place, ...(twin === undefined ? {} : { twin }) } satisfies Signed);
    await tx
      .insertInto('meta')
      .values({ key, value })
      .onConflict((conflict) => conflict.column('key').doUpdateSet({ value }))
      .execute();
    return other;
  });
}

/** The hosts that were at work in two places lately, with both. */
export async function hostsInTwoPlaces(db: Catalog): Promise<Map<string, [HostPlace, HostPlace]>> {
  const now = await timeOf(db);
  const rows = await db
    .selectFrom('meta')
    .select(['key', 'value'])
    .where('key', 'like', `${prefix}%`)
    .execute();
  const found = new Map<string, [HostPlace, HostPlace]>();
  for (const { key, value } of rows) {
    const { twin, ...place } = JSON.parse(value) as Signed;
    if (twin !== undefined && now - twin.at < goneAfterMs) found.set(key.slice(prefix.length), [place, twin]);
  }
  return found;
}

/** Says that a host is in two places, as a part of a sentence. */
export function twoPlacesText(places: readonly HostPlace[]): string {
  const shown = places.map(({ machine, dataDir }) => english`${dataDir} on the machine ${machine}`);
  return english`its workers are at work in two places at once, ${shown.join(' and ')}: one of the data folders
    is a copy`;
}

/** What is to be done about that. */
export const twoPlacesAdvice = english`Both take its steps. Stop the workers of one; if it shall be a host of its own,
  delete this-host.json in its data folder and give it a name by TAPEFLOW_HOST.`;
