import { createHmac } from 'node:crypto';
import { fullText, type Message } from '../message.js';
import { post, webUrl } from './post.js';

/**
 * Posts the message as JSON. With a secret, `x-tapeflow-signature` is the HMAC-SHA-256 of the time in
 * `x-tapeflow-timestamp` (seconds since 1970), a dot and the body: whoever checks both knows that it is ours, and new.
 */
export async function sendToWebhook(
  url: string,
  secret: string | undefined,
  message: Message,
  signal: AbortSignal,
): Promise<void> {
  const body = JSON.stringify(message);
  const timestamp = String(Math.floor(Date.now() / 1000));
  await post(url, body, signal, {
    'content-type': 'application/json; charset=utf-8',
    'user-agent': 'tapeflow',
    'x-tapeflow-id': message.id,
    'x-tapeflow-timestamp': timestamp,
    ...(secret === undefined ? {} : { 'x-tapeflow-signature': webhookSignature(secret, timestamp, body) }),
  });
}

/** The signature of a body: `sha256=` and the HMAC in hex. */
export function webhookSignature(secret: string, timestamp: string, body: string): string {
  return `sha256=${createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex')}`;
}

/** Bytes of a message that a ping carries for its log. */
const pingBytes = 10_000;

/** Pings a dead man's switch: its URL for a success, `/fail` for what failed, `/log` for all else. */
export async function sendPing(url: string, message: Message, signal: AbortSignal): Promise<void> {
  const end =
    message.event === 'completed' || message.event === 'completed_with_skips'
      ? ''
      : message.event === 'failed'
        ? '/fail'
        : '/log';
  const to = webUrl(url);
  to.pathname = to.pathname.replace(/\/$/, '') + end;
  await post(to.href, fullText(message, pingBytes), signal, { 'content-type': 'text/plain; charset=utf-8' });
}
