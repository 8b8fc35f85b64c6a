import { execFile } from 'node:child_process';
import { t } from '../messages/shown.js';

/** Milliseconds that systemd has to take a message; `systemd-notify` itself waits for five seconds at most. */
const answerMs = 10_000;

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
