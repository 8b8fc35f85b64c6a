import type { Catalog } from '../../catalog/open-catalog.js';
import { unfinishedRetrievals } from '../../catalog/retrievals/retrievals.js';
import { isRebuilt } from '../../catalog/rebuilt/rebuilt-sets.js';
import { unfinishedSets } from '../../catalog/sets/sets.js';
import { type HeldUp, heldUpKey } from '../../operations/notify/held-up-facts.js';
import type { PendingStep } from '../server/pending-steps.js';
import { stepName } from '../server/step-words.js';

/** Milliseconds between two times that the server is asked. */
const askEveryMs = 60_000;
/** Milliseconds that a step is held up before people are told: a full disk often has room after the next write. */
const heldUpMs = 300_000;

/** What a set, or a restore, verify or copy does at the server now; nothing while that is away. */
export interface StepsAtServer {
  ofSet(id: string): Promise<PendingStep[]>;
  ofRetrieval(id: string): Promise<PendingStep[]>;
}

/** Knows since when steps are held up, as far as this worker has seen it: the catalog has no row of that. */
export class HeldUpSteps {
  private askedAt = -Infinity;
  private seen = new Map<string, HeldUp & { since: number }>();

  constructor(private readonly steps: StepsAtServer) {}

  /** What is held up for so long that a person is wanted, at a time in milliseconds since 1970. */
  async find(catalog: Catalog, now: number): Promise<HeldUp[]> {
    if (now - this.askedAt >= askEveryMs) {
      this.askedAt = now;
      const found = new Map<string, HeldUp & { since: number }>();
      for (const heldUp of await this.ask(catalog)) {
        const key = heldUpKey(heldUp);
        found.set(key, { ...heldUp, since: this.seen.get(key)?.since ?? now });
      }
      this.seen = found;
    }
    return [...this.seen.values()].filter(({ since }) => now - since >= heldUpMs);
  }

  private async ask(catalog: Catalog): Promise<HeldUp[]> {
    const found: HeldUp[] = [];
    const add = (heldUp: Omit<HeldUp, 'step' | 'why'>, steps: readonly PendingStep[]) => {
      for (const step of steps)
        if (step.heldUpBy !== undefined)
          found.push({ ...heldUp, step: stepName({ ...step, details: {} }), why: step.heldUpBy });
    };
    for (const set of await unfinishedSets(catalog))
      if (!isRebuilt(set)) add({ id: set.id, isSet: true }, await this.steps.ofSet(set.id));
    for (const { id } of await unfinishedRetrievals(catalog))
      add({ id, isSet: false }, await this.steps.ofRetrieval(id));
    return found;
  }
}
