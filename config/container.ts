import { existsSync } from 'node:fs';

/** Files that Docker and Podman put into each container. */
const marks = ['/.dockerenv', '/run/.containerenv'];

/**
 * True where the time zone is probably nobody's choice: a container has that of no machine, so it is UTC unless `TZ` or
 * a mounted `/etc/localtime` says another.
 *
 * @param zone the time zone that is in force.
 */
export function isContainersUtc(
  env: NodeJS.ProcessEnv,
  zone: string,
  exists: (path: string) => boolean = existsSync,
): boolean {
  if (!['UTC', 'Etc/UTC'].includes(zone) || (env['TZ'] ?? '') !== '') return false;
  return env['KUBERNETES_SERVICE_HOST'] !== undefined || env['container'] !== undefined || marks.some(exists);
}
