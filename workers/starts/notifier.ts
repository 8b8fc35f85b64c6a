import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { tidyOutbox } from '../../catalog/notices/outbox.js';
import { tidyTold } from '../../catalog/notices/told.js';
import { describeError } from '../../config/failures.js';
import type { Deps } from '../../operations/deps.js';
import { quickFacts, slowFacts, type Look } from '../../operations/notify/find-facts.js';
import { heldUpFacts } from '../../operations/notify/held-up-facts.js';
import type { Fact } from '../../operations/notify/message.js';
import { lateMs } from '../../operations/notify/schedule-facts.js';
import { sendWaiting } from '../../operations/notify/send-waiting.js';
import { tellChannels, type Teller } from '../../operations/notify/tell.js';
import { HeldUpSteps, type StepsAtServer } from './held-up-steps.js';

/** Milliseconds before the first look, and between looks for what changes over days. */
const firstLookMs = 3000;
const slowEveryMs = 300_000;
/** Milliseconds that a worker that stops has for what is still to be sent; the next worker sends the rest. */
const lastSendMs = 5000;

/**
 * Tells the channels of `notify` what happens, as long as an archive worker runs: looks into the catalog every
 * `NOTIFY_SECONDS`, writes down what is to be told, and sends what waits. It decides nothing, and whatever fails here
 * is logged and tried again.
 */
export class Notifier {
  private readonly stopping = new AbortController();
  private readonly sending = new Map<string, Promise<void>>();
  private readonly aborting = new AbortController();
  private slowAt = -Infinity;
  /** When the worker came to its server, which then catches up on runs. */
  private connectedAt: number | undefined;
  private heldUp: HeldUpSteps | undefined;
  /** The waits that the look before this one found: what a person ends at once is not told. */
  private waits = new Set<string>();
  private running: Promise<void> = Promise.resolve();

  constructor(
    private readonly deps: Deps,
    private readonly teller: Teller,
  ) {}

  /** Begins; does nothing where no channel is configured. */
  start(): this {
    if (this.deps.settings.channels.length > 0) this.running = this.run().catch(() => undefined);
    return this;
  }

  /** The worker has come to its server. */
  connected(): void {
    this.connectedAt = Date.now();
  }

  /** From now on, tells of steps that are held up, too. */
  watchSteps(steps: StepsAtServer): void {
    this.heldUp = new HeldUpSteps(steps);
  }

  /** Looks a last time, and waits a few seconds for what is being sent. */
  async stop(): Promise<void> {
    if (this.deps.settings.channels.length === 0) return;
    this.stopping.abort();
    const { signal } = this.aborting;
    const late = setTimeout(() => this.aborting.abort(), lastSendMs);
    // Neither a catalog that is away nor a channel that hangs keeps the worker.
    await Promise.race([this.tellLast(), once(signal, 'abort')]);
    clearTimeout(late);
  }

  private async tellLast(): Promise<void> {
    await this.running;
    await Promise.all(this.sending.values());
    await this.look(true);
    this.sendAll();
    await Promise.all(this.sending.values());
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    const everyMs = this.deps.settings.NOTIFY_SECONDS * 1000;
    for (let wait = Math.min(firstLookMs, everyMs); ; wait = everyMs) {
      await sleep(wait, undefined, { signal });
      await this.look(false);
      this.sendAll();
    }
  }

  /** @param isLast the worker stops: no further look would tell whether a wait lasts. */
  private async look(isLast: boolean): Promise<void> {
    const { catalog, settings, logger } = this.deps;
    const now = Date.now();
    const look: Look = {
      now,
      mayBeMissed: this.connectedAt === undefined ? isLast : now - this.connectedAt >= lateMs,
      noSuccessDays: settings.NOTIFY_NO_SUCCESS_DAYS,
    };
    try {
      const heldUp = (await this.heldUp?.find(catalog, now)) ?? [];
      const facts = this.lasting([...(await quickFacts(catalog, look)), ...heldUpFacts(heldUp)]);
      if (now - this.slowAt >= slowEveryMs) {
        facts.push(...(await slowFacts(catalog, look)));
        await tidyOutbox(catalog, now);
        await tidyTold(catalog, now);
        this.slowAt = now;
      }
      await tellChannels(catalog, this.teller, settings.channels, facts, now);
    } catch (error) {
      // The catalog may be away: every step of the worker says so.
      logger.warn({ err: error }, `what is to be told could not be looked up: ${describeError(error)}`);
    }
  }

  private lasting(facts: readonly Fact[]): Fact[] {
    const before = this.waits;
    this.waits = new Set(facts.filter(({ event }) => event === 'waiting').map(({ key }) => key));
    return facts.filter(({ event, key }) => event !== 'waiting' || before.has(key));
  }

  /** Sends what waits for each channel; one that hangs holds up no other. */
  private sendAll(): void {
    const { catalog, settings, logger } = this.deps;
    const places = { env: process.env, homeDir: settings.homeDir };
    for (const channel of settings.channels) {
      if (this.sending.has(channel.name)) continue;
      const sent = sendWaiting({ catalog, places, logger }, channel, this.aborting.signal)
        .catch((error: unknown) => {
          logger.warn({ err: error }, `channel ${channel.name} could not be told: ${describeError(error)}`);
        })
        .finally(() => this.sending.delete(channel.name));
      this.sending.set(channel.name, sent);
    }
  }
}
