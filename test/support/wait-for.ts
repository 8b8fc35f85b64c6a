import { setTimeout as sleep } from 'node:timers/promises';

/** Waits for a state; never for a time. Throws when it does not come within two minutes. */
export async function waitFor<Result>(
  look: () => Result | undefined | false | Promise<Result | undefined | false>,
  what: string,
  timeoutMs = 120_000,
): Promise<Exclude<Result, boolean> | true> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found as Exclude<Result, boolean>;
    if (Date.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await sleep(50);
  }
}
