import { createHash, timingSafeEqual } from 'node:crypto';
import type { MiddlewareHandler } from 'hono';
import { getCookie, setCookie } from 'hono/cookie';
import { refusal } from './refusal.js';
import type { PageSecrets } from './secrets.js';
import { t } from '../../messages/shown.js';

const cookieName = 'tapeflow';

/** Seconds for which a browser stays signed in. */
const cookieSeconds = 30 * 86_400;

/** Nothing but what the page itself has: no script, style, picture or frame from elsewhere, and none in its text. */
const policy = [
  "default-src 'none'",
  ...["script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'"],
  ...["form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"],
].join('; ');

/** What every answer says to the browser. */
export const safeHeaders: MiddlewareHandler = async (context, next) => {
  await next();
  const headers: Record<string, string> = {
    'Content-Security-Policy': policy,
    'X-Content-Type-Options': 'nosniff',
    // Not `no-referrer`: with that a browser hides the origin of forms, too, which is checked here.
    'Referrer-Policy': 'same-origin',
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Resource-Policy': 'same-origin',
    // What a set is called is no secret of the machine's next user only because the page was closed.
    'Cache-Control': 'no-store',
  };
  for (const [name, value] of Object.entries(headers)) context.header(name, value);
};

/**
 * Answers only requests for an address of a machine, or for the name that the settings have: a page elsewhere whose
 * name leads to 127.0.0.1 for once (DNS rebinding) would be of one origin with this one.
 *
 * @param served `ADDRESS:PORT` of the settings.
 */
export function namedByAddress(served: string): MiddlewareHandler {
  const own = served.replace(/:\d+$/, '').toLowerCase();
  return async (context, next) => {
    const host = (context.req.header('host') ?? '').replace(/:\d+$/, '').toLowerCase();
    const isAddress = /^(\d+\.\d+\.\d+\.\d+|\[[\da-f:.]+\])$/.test(host);
    if (isAddress || host === 'localhost' || host === own) return next();
    return refusal(context, 421, t`This page is known by its address only, such as 127.0.0.1.`);
  };
}

/** Lets a browser in that brings the token, and leads it to where the token is not in the address any more. */
export function signIn({ token, cookie, base }: PageSecrets): MiddlewareHandler {
  return async (context, next) => {
    const given = context.req.query('token');
    if (context.req.path !== '/' || given === undefined) return next();
    if (!isSame(given, token)) return refusal(context, 403, t`This is not the token of the page.`, wayIn());
    setCookie(context, cookieName, cookie, {
      ...{ path: base, httpOnly: true, sameSite: 'Strict', maxAge: cookieSeconds },
    });
    return context.redirect(base, 303);
  };
}

const wayIn = () =>
  t`Open the address that \`tapeflow up\` has printed; \`tapeflow web\` prints it again. If it has brought you here
    by a link from elsewhere, go on by the link below.`;

/** Lets nobody on who has not signed in. */
export function signedIn({ cookie, base }: PageSecrets): MiddlewareHandler {
  return async (context, next) => {
    if (isSame(getCookie(context, cookieName) ?? '', cookie)) return next();
    return refusal(context, 403, t`The page does not know this browser.`, wayIn(), base);
  };
}

/** Takes commands only from the forms of this page. */
export function ownForms({ form }: PageSecrets): MiddlewareHandler {
  return async (context, next) => {
    if (context.req.method === 'GET' || context.req.method === 'HEAD') return next();
    const { origin, host, 'sec-fetch-site': site } = context.req.header();
    const isOwn = origin === undefined ? site === 'same-origin' : origin === `http://${host ?? ''}`;
    const given = isOwn && (site === undefined || site === 'same-origin') ? await formField(context.req) : '';
    if (isSame(given, form)) return next();
    return refusal(context, 403, t`The command did not come from a form of this page. Nothing was done.`);
  };
}

async function formField(request: { parseBody(): Promise<Record<string, unknown>> }): Promise<string> {
  const { form } = await request.parseBody();
  return typeof form === 'string' ? form : '';
}

/** Compares secrets; how long that takes tells nothing of them. */
export function isSame(given: string, secret: string): boolean {
  const hash = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(hash(given), hash(secret));
}
