import { channel } from 'node:diagnostics_channel';

/** Bytes that a step has moved since it last told. */
export interface Moved {
  /** What it does, as its heartbeat says: `writing`, `reading`, `compressing`, `moving`. */
  step: string;
  bytes: number;
}

/** Where steps tell what they move, while they move it: of `Moved`. Whoever measures a process listens. */
export const movedBytes = channel('tapeflow:moved-bytes');

/** What one attempt of a step has moved so far. */
export class MovedBytes {
  private told = 0;

  /** @param details of a heartbeat: `bytesOut` counts from 0 for each file. */
  tell(details: object): void {
    if (!movedBytes.hasSubscribers) return;
    const { step, bytesOut } = details as { step?: unknown; bytesOut?: unknown };
    if (typeof step !== 'string' || typeof bytesOut !== 'number') return;
    const bytes = bytesOut < this.told ? bytesOut : bytesOut - this.told;
    this.told = bytesOut;
    if (bytes > 0) movedBytes.publish({ step, bytes } satisfies Moved);
  }
}
