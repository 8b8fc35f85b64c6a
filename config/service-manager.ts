import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { t } from '../messages/shown.js';

/** Milliseconds that systemd has to take a message; `systemd-notify` itself waits for five seconds at most. */
const answerMs = 10_000;

/**
 * How a person stops the systemd service that this process is the main one of, such as
 * `systemctl stop tapeflow-up.service`; undefined where it is none. The unit is named by the control group, whose last
 * folder is the unit's (systemd.resource-control(5)); cgroups(7) has the lines of the file.
 */
export function serviceStop(
  env: NodeJS.ProcessEnv = process.env,
  groups = () => readFileSync('/proc/self/cgroup', 'utf8'),
): string | undefined {
  if ((env['NOTIFY_SOCKET'] ?? '') === '') return undefined;
  try {
    const found = /^\d+:(?:name=systemd)?:(.*\/)([^/\n]+\.service)$/m.exec(groups());
    if (found === null) return undefined;
    const isUsers = found[1]?.includes('/user@') === true;
    return `systemctl ${isUsers ? '--user ' : ''}stop ${found[2]}`;
  } catch {
    return undefined;
  }
}

/**
 * Tells systemd a state of this service, as sd_notify(3) has them: `READY=1`, `STOPPING=1`. Does nothing where no
 * service manager has asked for it (`Type=notify`), and in workers that a host has started, which is the service.
 * Resolves when it was told; where that fails, a line on stderr says so, and the service goes on.
 */
export function tellServiceManager(
  state: 'READY=1' | 'STOPPING=1',
  env: NodeJS.ProcessEnv = process.env,
): Promise<void> {
  if ((env['NOTIFY_SOCKET'] ?? '') === '' || process.send !== undefined) return Promise.resolve();
  return new Promise((resolve) => {
    execFile('systemd-notify', [state], { env, timeout: answerMs }, (error) => {
      if (error !== null)
        process.stderr.write(`${t`tapeflow: systemd was not told ${state}: ${error.message.trim()}`}\n`);
      resolve();
    });
  });
}
