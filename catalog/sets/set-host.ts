import type { ExpressionBuilder, ExpressionWrapper, SqlBool } from 'kysely';
import { homeHost, listHosts } from '../hosts/hosts.js';
import type { Catalog } from '../open-catalog.js';
import type { SetRow } from '../rows.js';
import type { Tables } from '../schema/tables.js';

/** Sets whose sources are on a host; null: the home of the installation. The same paths on two hosts are two things. */
export function isOfHost(host: string | null) {
  return (eb: ExpressionBuilder<Tables, 'sets'>): ExpressionWrapper<Tables, 'sets', SqlBool> =>
    host === null ? eb('sets.host', 'is', null) : eb('sets.host', '=', host);
}

/** The host that has the sources of a set, for people; null where the installation has one host alone. */
export async function shownHost(db: Catalog, { host }: Pick<SetRow, 'host'>): Promise<string | null> {
  if (host !== null) return host;
  return (await listHosts(db)).length > 1 ? ((await homeHost(db)) ?? null) : null;
}
