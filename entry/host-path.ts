/** A host's name: of letters, digits, dots and hyphens, as a machine's is. */
export const hostName = /^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,62}[A-Za-z0-9])?$/;

/** A path that a person gave, and the host that it names; without one it is a path of this host. */
export interface HostPath {
  host: string | undefined;
  path: string;
}

/**
 * Reads `HOST:/path`. What does not have an absolute path behind a host's name is a path of this host: `./a:b`, `/a:b`,
 * and on Windows what begins with a drive letter, as `C:\a`.
 */
export function hostPath(given: string, platform: NodeJS.Platform = process.platform): HostPath {
  const [, host = '', path = ''] = /^([^:/]+):(\/.*|[A-Za-z]:[\\/].*)$/s.exec(given) ?? [];
  if (!hostName.test(host) || (platform === 'win32' && host.length === 1))
    return { host: undefined, path: given };
  return { host, path };
}

/** A path of a host for people: `HOST:/path`; without a host the path alone. */
export function onHost(host: string | null | undefined, path: string): string {
  return host == null ? path : `${host}:${path}`;
}
