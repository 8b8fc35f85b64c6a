import { TapeflowFailure } from '../config/failures.js';
import { english } from '../messages/sentence.js';

/**
 * How long the server keeps an attempt without a heartbeat. A process that was stopped for longer hears of its abort
 * only some milliseconds after it continues; its own clock tells it at once.
 */
export class HeartbeatLease {
  private renewedAt = performance.now();
  private lapsed = false;

  constructor(private readonly ms: number) {}

  renew(): void {
    const now = performance.now();
    this.lapsed ||= now - this.renewedAt > this.ms;
    this.renewedAt = now;
  }

  check(): void {
    if (!this.lapsed && performance.now() - this.renewedAt <= this.ms) return;
    this.lapsed = true;
    throw new TapeflowFailure(
      'AttemptLapsed',
      english`The process was stopped for longer than the heartbeat timeout of ${this.ms / 1000} s.`,
      { kind: 'transient' },
    );
  }
}
