import type { Catalog } from '../../catalog/open-catalog.js';
import { recordRefusals, type RefusedKind, type Refusals } from '../../catalog/server/refusals.js';
import type { Logger } from '../../config/logger.js';
import { cutToBytes } from '../../workflows/server-limits.js';

/** Milliseconds between writes: thousands of messages must not keep the catalog busy. */
const writeEveryMs = 5000;
/** Maximum bytes of a sentence's subject. */
const whatBytes = 300;

/** Reports refused messages to the operator: in the log, and in the catalog for `doctor`. */
export class RefusalLog {
  private readonly waiting = new Map<RefusedKind, Refusals>();
  private lastWritten = -Infinity;
  private timer: NodeJS.Timeout | undefined;
  private writing = Promise.resolve();

  constructor(
    private readonly catalog: Catalog,
    private readonly logger: Logger,
  ) {}

  note(kind: RefusedKind, what: string, { workflowId, runId }: { workflowId: string; runId: string }): void {
    const times = (this.waiting.get(kind)?.times ?? 0) + 1;
    const refused = { kind, times, what: cutToBytes(what, whatBytes), workflowId, runId, at: Date.now() };
    this.waiting.set(kind, refused);
    const wait = Math.max(0, this.lastWritten + writeEveryMs - performance.now());
    this.timer ??= setTimeout(() => this.write(), wait).unref();
  }

  /** Writes what is left. */
  async close(): Promise<void> {
    clearTimeout(this.timer);
    this.write();
    await this.writing;
  }

  private write(): void {
    this.timer = undefined;
    this.lastWritten = performance.now();
    const refusals = [...this.waiting.values()];
    this.waiting.clear();
    if (refusals.length === 0) return;
    for (const { times, what, ...rest } of refusals)
      this.logger.warn(
        { ...rest, times },
        `${what} was refused${times === 1 ? '' : `, the last of ${times}`}: ` +
          'nothing proves that it comes from this installation',
      );
    this.writing = recordRefusals(this.catalog, refusals).catch((error: unknown) => {
      this.logger.warn({ err: error }, 'refused messages could not be written down');
    });
  }
}
