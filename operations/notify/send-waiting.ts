import { claimMessage, recordSent, recordUnsent } from '../../catalog/notices/outbox.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import { describeError } from '../../config/failures.js';
import type { Logger } from '../../config/logger.js';
import type { ChannelSettings } from '../../config/settings/channels.js';
import { send } from './channels/send.js';
import type { SecretPlaces } from './channels/secrets.js';
import type { Message } from './message.js';

/** What sending needs. */
export interface Sender {
  catalog: Catalog;
  places: SecretPlaces;
  logger: Logger;
}

/**
 * Sends what waits for a channel, oldest first, until one message is refused: the others wait then too, since the next
 * one would hardly fare better.
 */
export async function sendWaiting(
  { catalog, places, logger }: Sender,
  channel: ChannelSettings,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const row = await claimMessage(catalog, channel.name, Date.now());
    if (row === undefined) return;
    const what = { channel: channel.name, message: row.id, event: row.event };
    try {
      await send(channel, places, JSON.parse(row.message) as Message, signal);
    } catch (error) {
      const why = describeError(error);
      const next = await recordUnsent(catalog, row, why, Date.now());
      const then =
        next === undefined ? 'it is given up' : `it is tried again at ${new Date(next).toISOString()}`;
      logger[next === undefined ? 'error' : 'warn'](
        what,
        `channel ${channel.name} did not take a message: ${why}; ${then}`,
      );
      return;
    }
    await recordSent(catalog, row, Date.now());
    logger.info(what, `channel ${channel.name} was told`);
  }
}
