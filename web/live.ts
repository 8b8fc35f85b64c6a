import { createHash } from 'node:crypto';
import type { Hono } from 'hono';
import { streamSSE } from 'hono/streaming';

/** Milliseconds between two looks at a page that changes, and at one that has not changed for a while. */
const busyMs = 1000;
const stillMs = 3000;
/** Looks without a change after which a page is still. */
const stillAfter = 10;
/** A look may take so much of the processor's time, 5 %, but is made all the same as often as this. */
const share = 20;
const slowestMs = 10_000;
/** Milliseconds after which a browser is told that the connection is there. */
const aliveMs = 15_000;

/**
 * Tells a browser of every change of the page that it shows (`live?of=ADDRESS`), by sending that page again. The page
 * is made as for any request, so that there is one way only in which it comes about.
 */
export function liveUpdates(app: Hono, base: string): void {
  app.get(`${base}live`, (context) => {
    const { pathname, search } = new URL(context.req.query('of') ?? base, 'http://page');
    if (!pathname.startsWith(base) || pathname === `${base}live`) return context.notFound();
    const { host = '', cookie = '' } = context.req.header();
    return streamSSE(context, async (stream) => {
      let ended = false;
      stream.onAbort(() => {
        ended = true;
      });
      let shown = '';
      let saidAt = 0;
      for (let same = 0; !ended; same += 1) {
        const began = process.cpuUsage();
        const response = await app.request(pathname + search, { headers: { host, cookie } });
        const text = await response.text();
        const hash = createHash('sha256').update(text).digest('base64');
        if (hash !== shown) {
          same = 0;
          shown = hash;
          saidAt = performance.now();
          await stream.writeSSE({ event: 'page', data: JSON.stringify(text) });
        } else if (performance.now() - saidAt > aliveMs) {
          saidAt = performance.now();
          await stream.writeSSE({ event: 'alive', data: '' });
        }
        const { user, system } = process.cpuUsage(began);
        const rest = Math.min(((user + system) / 1000) * share, slowestMs);
        await stream.sleep(Math.max(same > stillAfter ? stillMs : busyMs, rest));
      }
    });
  });
}
