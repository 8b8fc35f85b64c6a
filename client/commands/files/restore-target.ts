import { isAbsolute, posix, resolve } from 'node:path';
import { isInPostgres } from '../../../catalog/dialect.js';
import { listHosts } from '../../../catalog/hosts/hosts.js';
import { usageFailure } from '../../../config/failures.js';
import { hostPath, type HostPath } from '../../../entry/host-path.js';
import { openTargetFolder } from '../../../operations/retrievals/open-target.js';
import { userPath, type Session } from '../../session.js';
import { english } from '../../../messages/sentence.js';

/** Where a restore goes, as asked. */
export interface TargetFlags {
  target?: string;
  /** `HOST:/path`. */
  to?: string;
  toOriginal?: true;
  stripComponents?: string;
  yes?: true;
  dryRun?: true;
}

/** Refuses a wrong combination of the options that say where to. */
export function requireTargetFlags(flags: TargetFlags, mayAsk: boolean): void {
  const given = [flags.target, flags.to, flags.toOriginal].filter((where) => where !== undefined);
  if (given.length !== 1)
    throw usageFailure(
      'WrongTarget',
      english`A restore needs --target, --to or --to-original, and takes only one of them.`,
      english`Nothing was restored.`,
    );
  if (flags.toOriginal === undefined) return;
  if (process.platform === 'win32')
    throw usageFailure(
      'NoOriginal',
      english`--to-original is not available on Windows.`,
      english`Restore with --target, and move the files.`,
    );
  if (flags.stripComponents !== undefined)
    throw usageFailure(
      'WrongStrip',
      english`--to-original takes no --strip-components.`,
      english`Nothing was restored.`,
    );
  if (flags.yes === undefined && flags.dryRun === undefined && !mayAsk)
    throw usageFailure(
      'NotConfirmed',
      english`--to-original writes where the files came from and asks first, but this is no terminal.`,
      english`Nothing was restored; add --yes to do it, or --dry-run to see what it would do.`,
    );
}

/** Where a restore goes. */
export interface TargetPlace {
  /** The resolved path on this host; on another host the path as it was asked for. */
  target: string;
  /** The host that has it; null in an installation of one host. */
  host: string | null;
  isHere: boolean;
}

/**
 * Where a restore is to go. A folder of this host is made if it is missing, except for a dry run, and the path is
 * resolved; another host does the same later. Throws a usage failure when the target cannot be used, or when there is
 * no such host.
 *
 * @param origin the host that the set is of, where it may go back there.
 */
export async function openTarget(
  session: Session,
  flags: TargetFlags,
  origin: string | undefined,
): Promise<TargetPlace> {
  const { settings } = session;
  const here = settings.TAPEFLOW_HOST;
  const catalog = await session.catalog();
  // A file has one host.
  const hosts = isInPostgres(catalog) ? (await listHosts(catalog)).map(({ name }) => name) : [];
  const isAlone = hosts.every((name) => name === here);
  const { host, path } = flags.toOriginal === true ? { host: origin, path: '/' } : placeOf(flags.to ?? '/');
  if (host !== undefined && host !== here) {
    if (hosts.includes(host)) return { target: path, host, isHere: false };
    const known = [...new Set([...hosts, here])].sort().join(', ');
    throw usageFailure(
      'NoSuchHost',
      english`There is no host ${host} in this installation; the hosts are: ${known}.`,
      english`A host is known once a worker has run there.`,
    );
  }
  const at = { host: isAlone ? null : here, isHere: true };
  // Members are named by their whole path: below the root is where they came from.
  if (flags.toOriginal === true) return { ...at, target: '/' };
  const asked = flags.to === undefined ? userPath(flags.target ?? '') : path;
  return { ...at, target: openTargetFolder(settings, asked, flags.dryRun === true) };
}

/** The parts of `HOST:/path`; an absolute path alone is on this host. */
function placeOf(to: string): HostPath {
  const { host, path } = hostPath(to);
  if (host !== undefined) return { host, path: path.startsWith('/') ? posix.resolve(path) : path };
  if (isAbsolute(path)) return { host, path: resolve(path) };
  throw usageFailure(
    'WrongTarget',
    english`--to ${JSON.stringify(to)} names no folder of a host.`,
    english`It is HOST:/FOLDER with the whole path, such as fs1:/srv/restored.`,
  );
}
