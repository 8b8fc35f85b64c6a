import { claimDrive } from '../../catalog/hosts/host-drives.js';
import { forgetHost, listHosts, registerHost, type HostSelf } from '../../catalog/hosts/hosts.js';
import { installationKey } from '../../catalog/hosts/installation-key.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import type { HostRow } from '../../catalog/rows.js';
import type { DriveSettings, Settings } from '../../config/settings/settings.js';

/** What a worker knows of its host once it is written down. */
export interface Registered {
  host: HostRow;
  key: string;
  /** The host that had the drive before. */
  before: string | undefined;
  late: undefined;
}

/** Writes a host down, with its key and its drive. Throws what `HostPresence.begin` does. */
export async function registered(
  catalog: Catalog,
  settings: Settings,
  self: HostSelf,
  drive: DriveSettings | undefined,
): Promise<Registered> {
  const isNew = !(await listHosts(catalog)).some(({ id }) => id === self.id);
  const host = await registerHost(catalog, self);
  try {
    const key = await installationKey(catalog, settings, true);
    const before = drive === undefined ? undefined : await claimDrive(catalog, host.name, drive);
    return { host, key, before, late: undefined };
  } catch (error) {
    // A machine that was refused at its first start is no host.
    if (isNew && host.home === 0) await forgetHost(catalog, self);
    throw error;
  }
}

/** The host of a catalog in a file. */
export function onlyHost({ name, id, machine, dataDir, version, embedded }: HostSelf): HostRow {
  return {
    ...{ name, id, home: 1, machine, data_dir: dataDir, version, embedded: embedded ? 1 : 0 },
    ...{ heard_at: Date.now(), archive_at: null, clock_ahead: 0 },
  };
}
