import { isHeard } from '../../catalog/hosts/host-conflict.js';
import { listHostDrives } from '../../catalog/hosts/host-drives.js';
import { listHosts, timeOf } from '../../catalog/hosts/hosts.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import type { HostRow } from '../../catalog/rows.js';
import { t } from '../../messages/shown.js';

/** A host, and who works there now, such as `archive worker` and `tape worker lto1`. */
export interface HostAtWork {
  host: HostRow;
  workers: string[];
  /** Its drives without a worker. */
  idle: string[];
}

/** The hosts of the installation with their workers; none where there is one host alone. */
export async function hostsAtWork(catalog: Catalog): Promise<HostAtWork[]> {
  const hosts = await listHosts(catalog);
  return hosts.length < 2 ? [] : workOf(catalog, hosts);
}

/** What some hosts do now. */
export async function workOf(catalog: Catalog, hosts: readonly HostRow[]): Promise<HostAtWork[]> {
  const [now, drives] = [await timeOf(catalog), await listHostDrives(catalog)];
  return hosts.map((host) => {
    const own = drives.filter((drive) => drive.host === host.name);
    const served = own.filter((drive) => isHeard(drive.heard_at, now)).map(({ name }) => name);
    return {
      host,
      workers: [
        ...(isHeard(host.archive_at, now) ? [t`archive worker`] : []),
        ...served.map((name) => t`tape worker ${name}`),
      ],
      idle: own.map(({ name }) => name).filter((name) => !served.includes(name)),
    };
  });
}

/** A line for each host that `status` prints for people. */
export function hostLine({ host, workers, idle }: HostAtWork, lastHeard: string): string {
  const drives = idle.length === 0 ? '' : t`; no worker serves drive ${idle.join(', ')}`;
  const who = workers.length === 0 ? t`no worker was heard of since ${lastHeard}` : workers.join(', ');
  return t`Host ${host.name}: ${who}${drives}`;
}

/** A line for each drive that `tape list` prints for people; none where there is one host alone. */
export async function driveLines(catalog: Catalog): Promise<string[]> {
  if ((await listHosts(catalog)).length < 2) return [];
  const now = await timeOf(catalog);
  return (await listHostDrives(catalog)).map(({ name, host, kind, path, heard_at: at }) => {
    const where = t`Drive ${name}: host ${host}, ${kind} ${path}`;
    return `${where}${isHeard(at, now) ? t`; its worker runs` : t`; no worker serves it`}`;
  });
}
