import type { ThisHost } from '../../config/settings/host-name.js';
import { catalogNow, isInPostgres } from '../dialect.js';
import type { Catalog } from '../open-catalog.js';
import type { HostRow } from '../rows.js';
import { isHeard, nameKnown, nameTaken, needsOwnServer, needsPostgres } from './host-conflict.js';

/** What a worker says of its host. */
export interface HostSelf extends ThisHost {
  machine: string;
  dataDir: string;
  version: string;
  embedded: boolean;
  /** Its name was chosen, by `TAPEFLOW_HOST`. */
  isNamed: boolean;
  /** For sentences: where the catalog is. */
  catalogUrl: string;
}

/**
 * Writes down that a worker of this host begins. The first host is the home of the installation. A host that has
 * another name since keeps its row.
 *
 * Throws `HostTaken` when a worker of another data folder works under this name, or has and it was not chosen;
 * `OneHostOnly` when the catalog is a file that another host uses; and `OneServerForAll` when hosts do not have one
 * server.
 */
export function registerHost(catalog: Catalog, self: HostSelf): Promise<HostRow> {
  return catalog.transaction().execute(async (tx) => {
    const now = await timeOf(tx);
    const rows = await listHosts(tx);
    const others = rows.filter(({ id }) => id !== self.id);
    const heard = await heardHosts(tx, now);
    const busy = others.filter(({ name }) => heard.has(name));
    const same = busy.find(({ name }) => name === self.name);
    if (same !== undefined) throw nameTaken(self.name, same);
    const [other] = busy;
    if (other !== undefined && !isInPostgres(tx)) throw needsPostgres(other, self.catalogUrl);
    const apart = self.embedded ? other : busy.find(({ embedded }) => embedded === 1);
    if (apart !== undefined) throw needsOwnServer(self.name, apart);
    // Machines are often called alike, and this one would be taken for the other: its sources, and sets under way.
    const alike = others.find(({ name }) => name === self.name);
    if (alike !== undefined && !self.isNamed && isInPostgres(tx)) throw nameKnown(self.name, alike);
    const known = rows.find(({ id }) => id === self.id) ?? rows.find(({ name }) => name === self.name);
    // A file has one host, whatever it is called.
    const before = known ?? (isInPostgres(tx) ? undefined : rows[0]);
    const replaced = rows.filter(({ name }) => name === before?.name || name === self.name);
    const home = rows.length === 0 || replaced.some((row) => row.home === 1);
    for (const { name } of replaced) await tx.deleteFrom('hosts').where('name', '=', name).execute();
    if (before !== undefined && before.name !== self.name)
      await tx.updateTable('host_drives').set({ host: self.name }).where('host', '=', before.name).execute();
    return tx
      .insertInto('hosts')
      .values({
        ...{ name: self.name, id: self.id, home: home ? 1 : 0, machine: self.machine },
        ...{ data_dir: self.dataDir, version: self.version, embedded: self.embedded ? 1 : 0 },
        ...{ heard_at: now, archive_at: before?.archive_at ?? null, clock_ahead: Date.now() - now },
      })
      .returningAll()
      .executeTakeFirstOrThrow();
  });
}

/** Forgets a host whose first worker was refused. */
export async function forgetHost(db: Catalog, { id }: Pick<ThisHost, 'id'>): Promise<void> {
  await db.deleteFrom('hosts').where('id', '=', id).where('archive_at', 'is', null).execute();
}

/** The catalog's time, in milliseconds since 1970. */
export async function timeOf(db: Catalog): Promise<number> {
  const { now } = await db.selectNoFrom(catalogNow(db).as('now')).executeTakeFirstOrThrow();
  return now;
}

/** Every host, by name. */
export function listHosts(db: Catalog): Promise<HostRow[]> {
  return db.selectFrom('hosts').selectAll().orderBy('name').execute();
}

/** The name of the host that made the installation; undefined while no worker has begun. */
export async function homeHost(db: Catalog): Promise<string | undefined> {
  return (await db.selectFrom('hosts').select('name').where('home', '=', 1).executeTakeFirst())?.name;
}

/** How a host is called in queues and sources; undefined for the one that made the installation. */
export async function hostInQueues(db: Catalog, name: string): Promise<string | undefined> {
  // A file has one host, whatever it is called now.
  if (!isInPostgres(db)) return undefined;
  const home = await homeHost(db);
  return home === undefined || home === name ? undefined : name;
}

/** The hosts of which a worker was heard lately. */
export async function heardHosts(db: Catalog, now: number): Promise<Set<string>> {
  const archive = await db.selectFrom('hosts').select(['name', 'archive_at as at']).execute();
  const drives = await db.selectFrom('host_drives').select(['host as name', 'heard_at as at']).execute();
  return new Set([...archive, ...drives].filter(({ at }) => isHeard(at, now)).map(({ name }) => name));
}

/**
 * A sign of life of a worker. False when its host is known under that name no more, since the workers of another data
 * folder have taken it.
 *
 * @param archive it is an archive worker.
 */
export async function hostLives(db: Catalog, { id }: ThisHost, archive: boolean): Promise<boolean> {
  const now = catalogNow(db);
  const { numUpdatedRows } = await db
    .updateTable('hosts')
    .set((eb) => ({
      heard_at: now,
      ...(archive ? { archive_at: now } : {}),
      clock_ahead: eb(eb.val(Date.now()), '-', now),
    }))
    .where('id', '=', id)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

/** An archive worker says that it stops. Others of its host say within their next sign of life that they do not. */
export async function archiveStops(db: Catalog, { id }: ThisHost): Promise<void> {
  await db.updateTable('hosts').set({ archive_at: null }).where('id', '=', id).execute();
}

/**
 * A host of which no archive worker is heard, and since when nothing is, in milliseconds since 1970; null: no host of
 * that name is known any more.
 */
export interface HostAway {
  host: string;
  since: number | null;
}

/**
 * Whether the archive worker of a host is away: what needs its sources waits then.
 *
 * @param name null: the home of the installation. Where a host is the only one, nothing is said of it.
 */
export async function hostAway(db: Catalog, name: string | null): Promise<HostAway | undefined> {
  const hosts = await listHosts(db);
  if (hosts.length < 2 && name === null) return undefined;
  const row = hosts.find((host) => (name === null ? host.home === 1 : host.name === name));
  if (row === undefined && name !== null) return { host: name, since: null };
  if (row === undefined || isHeard(row.archive_at, await timeOf(db))) return undefined;
  return { host: row.name, since: row.archive_at ?? row.heard_at };
}
