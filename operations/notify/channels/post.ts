import { isWebUrl } from '../../../config/settings/channels.js';
import { TapeflowFailure, describeError } from '../../../config/failures.js';
import { english } from '../../../messages/sentence.js';
import { cutText } from '../message.js';

/** Milliseconds within which a receiver must have answered. */
const answerMs = 15_000;
/** Bytes of an answer that are shown. */
const shownBytes = 200;

/**
 * Posts a body and returns the answer. Throws a sentence when nothing answers in time, or the answer is no success. It
 * never contains the URL, which often is a secret.
 */
export async function post(
  url: string,
  body: string,
  signal: AbortSignal,
  headers: Record<string, string> = { 'content-type': 'application/json; charset=utf-8' },
): Promise<string> {
  const to = webUrl(url);
  const limit = AbortSignal.any([signal, AbortSignal.timeout(answerMs)]);
  let status: number;
  let answer: string;
  try {
    // A redirect would take the message, and what proves that it is ours, elsewhere.
    const response = await fetch(to, { method: 'POST', body, headers, redirect: 'manual', signal: limit });
    status = response.status;
    answer = await response.text();
  } catch (error) {
    throw unsent(signal.aborted ? english`the worker stops` : whyNoAnswer(error));
  }
  if (status >= 200 && status < 300) return answer;
  const said = shortened(answer);
  throw unsent(
    said === '' ? english`it answers with HTTP ${status}` : english`it answers with HTTP ${status}: ${said}`,
  );
}

/** The URL that a text is; throws a sentence, without the text, when it is none that can be posted to. */
export function webUrl(text: string): URL {
  if (isWebUrl(text)) return new URL(text);
  throw unsent(english`its url is no URL that begins with https:// or http://`);
}

function whyNoAnswer(error: unknown): string {
  if (error instanceof Error && error.name === 'TimeoutError')
    return english`nothing answers within ${answerMs / 1000} s`;
  // `fetch failed` says nothing; its cause does.
  const cause = error instanceof Error ? error.cause : undefined;
  return cause === undefined ? describeError(error) : describeError(cause);
}

/** Throws a sentence unless a service that answers with HTTP 200 to everything says in its answer that it is fine. */
export function requireFine(answer: string, isFine: (object: Record<string, unknown>) => boolean): void {
  let object: unknown;
  try {
    object = JSON.parse(answer);
  } catch {
    object = undefined;
  }
  if (object === null || typeof object !== 'object' || !isFine(object as Record<string, unknown>)) {
    const said = shortened(answer);
    throw unsent(said === '' ? english`it refuses the message` : english`it refuses the message: ${said}`);
  }
}

function shortened(answer: string): string {
  return cutText(answer.replace(/\s+/g, ' ').trim(), shownBytes);
}

/** The failure of one attempt; `why` is the end of a sentence about the channel. */
export function unsent(why: string): TapeflowFailure {
  return new TapeflowFailure('NotSent', why, { kind: 'transient' });
}
