import { createHmac } from 'node:crypto';
import { fullText, headingOf, textOf, cutText, type Message } from '../message.js';
import { post, requireFine, webUrl } from './post.js';

// Each service takes JSON of its own. Texts are cut to what it accepts, in bytes of UTF-8.
const mostBytes = {
  dingtalk: 18_000,
  wecom: 2_000,
  feishu: 18_000,
  slack: 3_500,
  teams: 18_000,
  ntfy: 4_000,
};

const hmac = (key: string, text: string) => createHmac('sha256', key).update(text);

/** DingTalk's robot. With a secret it wants a signature of the time, in milliseconds. */
export async function sendToDingtalk(
  url: string,
  secret: string | undefined,
  message: Message,
  signal: AbortSignal,
): Promise<void> {
  const signed = webUrl(url);
  if (secret !== undefined) {
    const timestamp = String(Date.now());
    signed.searchParams.set('timestamp', timestamp);
    signed.searchParams.set('sign', hmac(secret, `${timestamp}\n${secret}`).digest('base64'));
  }
  const body = { msgtype: 'text', text: { content: fullText(message, mostBytes.dingtalk) } };
  requireFine(await post(signed.href, JSON.stringify(body), signal), ({ errcode }) => errcode === 0);
}

/** WeCom's robot. */
export async function sendToWecom(url: string, message: Message, signal: AbortSignal): Promise<void> {
  const body = { msgtype: 'text', text: { content: fullText(message, mostBytes.wecom) } };
  requireFine(await post(url, JSON.stringify(body), signal), ({ errcode }) => errcode === 0);
}

/** Feishu's robot. With a secret it wants a signature of the time, in seconds; the text is the key of it. */
export async function sendToFeishu(
  url: string,
  secret: string | undefined,
  message: Message,
  signal: AbortSignal,
): Promise<void> {
  const timestamp = String(Math.floor(Date.now() / 1000));
  const body = {
    ...(secret === undefined
      ? {}
      : { timestamp, sign: hmac(`${timestamp}\n${secret}`, '').digest('base64') }),
    ...{ msg_type: 'text', content: { text: fullText(message, mostBytes.feishu) } },
  };
  requireFine(
    await post(url, JSON.stringify(body), signal),
    ({ code, StatusCode }) => code === 0 || StatusCode === 0,
  );
}

/** An incoming webhook of Slack, or of what is compatible with it. */
export async function sendToSlack(url: string, message: Message, signal: AbortSignal): Promise<void> {
  const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' };
  const text = fullText(message, mostBytes.slack).replace(/[&<>]/g, (sign) => entities[sign] ?? sign);
  await post(url, JSON.stringify({ text }), signal);
}

/** A workflow of Teams, which takes an adaptive card. */
export async function sendToTeams(url: string, message: Message, signal: AbortSignal): Promise<void> {
  const block = (text: string, more = {}) => ({ type: 'TextBlock', text, wrap: true, ...more });
  const lines = cutText(textOf(message), mostBytes.teams).split('\n\n');
  const content = {
    type: 'AdaptiveCard',
    version: '1.4',
    body: [
      block(headingOf(message), { weight: 'Bolder', size: 'Medium' }),
      ...lines.map((text) => block(text.replaceAll('\n', '\n\n'))),
    ],
  };
  const card = { contentType: 'application/vnd.microsoft.card.adaptive', content };
  await post(url, JSON.stringify({ type: 'message', attachments: [card] }), signal);
}

/** A topic of ntfy; what only tells of a success does not ring. */
export async function sendToNtfy(
  url: string,
  { topic, token }: { topic: string; token: string | undefined },
  message: Message,
  signal: AbortSignal,
): Promise<void> {
  const body = {
    topic,
    title: headingOf(message),
    message: cutText(textOf(message), mostBytes.ntfy),
    priority: message.event === 'completed' || message.event === 'test' ? 3 : 4,
  };
  await post(url, JSON.stringify(body), signal, {
    'content-type': 'application/json; charset=utf-8',
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
  });
}
