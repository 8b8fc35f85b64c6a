import type { DriveSettings } from '../../config/settings/settings.js';
import { catalogNow } from '../dialect.js';
import type { Catalog } from '../open-catalog.js';
import type { HostDriveRow } from '../rows.js';
import { driveTaken, isHeard } from './host-conflict.js';
import { timeOf } from './hosts.js';

/**
 * Writes down that a worker of this host serves a drive. Throws `DriveElsewhere` when a worker of another host does
 * serve one of that name; a drive whose worker has stopped, or was not heard of for long, may have been moved.
 *
 * @returns the host that had it before, where that is another one.
 */
export function claimDrive(
  catalog: Catalog,
  host: string,
  { name, path, kind }: DriveSettings,
): Promise<string | undefined> {
  return catalog.transaction().execute(async (tx) => {
    const now = await timeOf(tx);
    const known = await tx.selectFrom('host_drives').selectAll().where('name', '=', name).executeTakeFirst();
    if (known !== undefined && known.host !== host && isHeard(known.heard_at, now)) throw driveTaken(known);
    const row = { host, path, kind, heard_at: now, last_at: now };
    await tx
      .insertInto('host_drives')
      .values({ name, ...row })
      .onConflict((conflict) => conflict.column('name').doUpdateSet(row))
      .execute();
    return known?.host === host ? undefined : known?.host;
  });
}

/** A sign of life of a tape worker. False when another host has the drive of that name now. */
export async function driveLives(db: Catalog, host: string, name: string): Promise<boolean> {
  const now = catalogNow(db);
  const { numUpdatedRows } = await db
    .updateTable('host_drives')
    .set({ heard_at: now, last_at: now })
    .where('name', '=', name)
    .where('host', '=', host)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

/** A tape worker says that it stops: then its drive may be moved at once. */
export async function driveStops(db: Catalog, host: string, name: string): Promise<void> {
  await db
    .updateTable('host_drives')
    .set({ heard_at: null })
    .where('name', '=', name)
    .where('host', '=', host)
    .execute();
}

/** Every drive that a worker has served, by name. */
export function listHostDrives(db: Catalog): Promise<HostDriveRow[]> {
  return db.selectFrom('host_drives').selectAll().orderBy('name').execute();
}
