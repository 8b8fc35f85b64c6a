import { catalogFailure, isCatalogOutOfReach } from '../../catalog/catalog-failure.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import { finalSetStates } from '../../catalog/schema/set-tables.js';
import { setNamed } from '../../catalog/sets/sets.js';
import { setResumeAttempts } from '../../catalog/sets/resume-attempts.js';
import { TapeflowFailure, describeError } from '../../config/failures.js';
import { stepName } from '../../workers/server/step-words.js';
import { pendingSteps } from '../../workers/server/pending-steps.js';
import type { Session } from '../session.js';
import type { Server } from '../server.js';
import { troubleOf, type SetTrouble } from './set-health.js';
import { english } from '../../messages/sentence.js';
import { shown, t } from '../../messages/shown.js';

/** True when the set is in a final state in the catalog. */
export async function hasEnded(catalog: Catalog, setId: string): Promise<boolean> {
  return finalSetStates.includes((await setNamed(catalog, setId)).state);
}

/** Checks periodically whether everything that processes the set is still running, and reports once when it is not. */
export class Watchdog {
  private readonly said = new Set<string>();
  private looks = 0;
  private lost = false;
  /** The server did not answer at the last check. */
  private serverAway = false;

  constructor(
    private readonly session: Session,
    private readonly server: Server,
    private readonly setId: string,
  ) {
    server.lease?.onLost(() => (this.lost = true));
  }

  async look(): Promise<void> {
    if (this.lost) {
      throw new TapeflowFailure(
        'HostLost',
        english`Server and workers of set ${this.setId} have stopped or were killed.`,
        {
          advice: english`Nothing is lost: run the same command again, or \`tapeflow up\`, and the set goes on.`,
        },
      );
    }
    for (const worker of this.server.lease?.workers() ?? []) {
      if (worker.trouble !== undefined && !worker.ready) this.sayOnce(shown(worker.trouble));
    }
    this.looks += 1;
    if (this.looks % 20 !== 0) return;
    await this.sayWhatIsStuck();
    const trouble = await this.trouble();
    if (trouble === undefined) return;
    // The set's last step records its state before the workflow closes, so check once more.
    const catalog = await this.session.catalog();
    if (await hasEnded(catalog, this.setId)) return;
    const { finding, advice } = trouble;
    if (trouble.kind !== 'stuck' && this.session.settings.LOOK_AFTER_SECONDS > 0) {
      if (!(await setResumeAttempts(catalog, this.setId, Date.now())).leftAlone) {
        this.sayOnce(t`Set ${this.setId} is unfinished, but ${finding}. Workers resume it automatically.`);
        return;
      }
    }
    throw new TapeflowFailure(
      'SetNotRunning',
      english`The set ${this.setId} is unfinished, but ${finding}.`,
      { advice },
    );
  }

  /** Reads the catalog; undefined while it is out of reach. The set waits too, so this continues. */
  async outlast<Result>(look: () => Promise<Result>): Promise<Result | undefined> {
    try {
      return await look();
    } catch (error) {
      if (!isCatalogOutOfReach(error)) throw error;
      this.sayOnce(shown(describeError(catalogFailure(error))));
      return undefined;
    }
  }

  /** Why the set makes no progress, according to the server; nothing while the server is away, which is waited for. */
  private async trouble(): Promise<SetTrouble | undefined> {
    try {
      const trouble = await troubleOf(this.server, this.setId);
      if (this.serverAway) this.session.say(t`The Temporal server answers again.`);
      this.serverAway = false;
      return trouble;
    } catch {
      if (!this.serverAway) {
        const { address, embedded } = this.server.target;
        this.session.say(
          embedded
            ? t`The Temporal server at ${address} does not answer; it is started again, and the set goes on
                by itself when it does.`
            : t`The Temporal server at ${address} does not answer; the set goes on by itself when it does.`,
        );
      }
      this.serverAway = true;
      return undefined;
    }
  }

  /** Reports once each step that waits for something only a person or time can fix, such as a full disk. */
  private async sayWhatIsStuck(): Promise<void> {
    for (const step of await pendingSteps(this.server, this.setId)) {
      const { why, stuck } = step.details;
      const name = stepName(step);
      if (stuck !== true || !step.started || this.said.has(name)) continue;
      this.said.add(name);
      this.session.say(t`Set ${this.setId} waits, ${name}: ${why ?? ''}.`);
    }
  }

  private sayOnce(sentence: string): void {
    if (this.said.has(sentence)) return;
    this.said.add(sentence);
    this.session.say(sentence);
  }
}
