import { setTimeout as sleep } from 'node:timers/promises';

/** Not there yet; null is what a message of the server has for a field that is not set. */
type Nothing = undefined | null | false;

/** Waits for a state; never for a time. Throws when it does not come within two minutes. */
export async function waitFor<Result>(
  look: () => Result | Nothing | Promise<Result | Nothing>,
  what: string,
  timeoutMs = 120_000,
): Promise<Exclude<Result, boolean | null> | true> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== null && found !== false)
      return found as Exclude<Result, boolean | null>;
    if (Date.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await sleep(50);
  }
}
