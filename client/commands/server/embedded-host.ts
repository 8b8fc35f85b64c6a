import type { Command } from 'commander';
import { TapeflowFailure, describeError } from '../../../config/failures.js';
import { createLogger } from '../../../config/logger.js';
import { settingsInForce } from '../../../config/settings/settings-in-force.js';
import { startHost } from '../../../embedded/host.js';
import type { HostMessage } from '../../../embedded/lease.js';

/** `embedded-host`: server and workers for other commands, started by the first of them. People use `up` instead. */
export function addEmbeddedHost(program: Command): void {
  program.command('embedded-host', { hidden: true }).action(async () => {
    const tell = (message: HostMessage) => {
      if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
    };
    try {
      const settings = settingsInForce();
      const logger = createLogger(settings, 'host');
      const host = await startHost(settings, logger, {
        sticky: false,
        say: (sentence) => tell({ say: sentence }),
      });
      process.on('SIGTERM', () => host.stop());
      process.on('SIGINT', () => host.stop());
      tell({ ready: true });
      await host.stopped;
    } catch (error) {
      if (error instanceof TapeflowFailure && error.code === 'HostRuns') {
        tell({ runs: true });
      } else {
        const code = error instanceof TapeflowFailure ? error.code : 'HostFailed';
        tell({ failed: { code, sentence: describeError(error) } });
        process.exitCode = 1;
      }
    }
    if (process.connected) process.disconnect();
  });
}
