import type { ChannelSettings, Secret } from '../../../config/settings/channels.js';
import type { Message } from '../message.js';
import { sendToDingtalk, sendToFeishu, sendToNtfy, sendToSlack, sendToTeams, sendToWecom } from './chats.js';
import { runNotifyCommand } from './command.js';
import { sendMail } from './email.js';
import { secretValue, type SecretPlaces } from './secrets.js';
import { sendPing, sendToWebhook } from './webhook.js';

/**
 * Sends a message to a channel, in one attempt. Throws a failure that says why it was not sent; without that, the
 * receiver has taken it.
 */
export async function send(
  channel: ChannelSettings,
  places: SecretPlaces,
  message: Message,
  signal: AbortSignal,
): Promise<void> {
  const value = (secret: Secret) => secretValue(secret, places);
  const maybe = (secret: Secret | undefined) => (secret === undefined ? undefined : value(secret));
  switch (channel.kind) {
    case 'webhook':
      return sendToWebhook(value(channel.url), maybe(channel.secret), message, signal);
    case 'dingtalk':
      return sendToDingtalk(value(channel.url), maybe(channel.secret), message, signal);
    case 'wecom':
      return sendToWecom(value(channel.url), message, signal);
    case 'feishu':
      return sendToFeishu(value(channel.url), maybe(channel.secret), message, signal);
    case 'slack':
      return sendToSlack(value(channel.url), message, signal);
    case 'teams':
      return sendToTeams(value(channel.url), message, signal);
    case 'ntfy': {
      const to = { topic: value(channel.topic), token: maybe(channel.token) };
      return sendToNtfy(value(channel.url), to, message, signal);
    }
    case 'email':
      return sendMail(channel, places, message);
    case 'command':
      return runNotifyCommand(channel.command, message, signal);
    case 'ping':
      return sendPing(value(channel.url), message, signal);
  }
}

/** The values of a channel that may be elsewhere than in the configuration file. */
export function secretsOf(channel: ChannelSettings): Secret[] {
  return ['url', 'secret', 'topic', 'token', 'user', 'password'].flatMap((key) => {
    const value = (channel as unknown as Record<string, Secret | undefined>)[key];
    return value === undefined ? [] : [value];
  });
}
