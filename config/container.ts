import { existsSync } from 'node:fs';

/** Files that Docker and Podman put into each container. */
const marks = ['/.dockerenv', '/run/.containerenv'];

/**
 * True where nobody seems to have chosen the time zone: a container runs in UTC unless `TZ` or a mounted
 * `/etc/localtime` says otherwise.
 *
 * @param zone the time zone that is in force.
 */
export function isContainerUtc(
  env: NodeJS.ProcessEnv,
  zone: string,
  exists: (path: string) => boolean = existsSync,
): boolean {
  if (!['UTC', 'Etc/UTC'].includes(zone) || (env['TZ'] ?? '') !== '') return false;
  return env['KUBERNETES_SERVICE_HOST'] !== undefined || env['container'] !== undefined || marks.some(exists);
}
