import { hasArchive } from '../../catalog/groups/groups-in-state.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import { pauseFor, type Attempt } from '../../operations/attempt.js';

/** A group that this process is packing. */
export interface Packing {
  /** Called with the bytes read so far. */
  note(bytesIn: number): void;
  end(): void;
}

interface Running {
  setId: string;
  bytesIn: number;
  movedAt: number;
}

const running = new Set<Running>();

/** Milliseconds without progress after which a group no longer holds up others: its source may not answer. */
const stillMs = 2000;
const lookEveryMs = 50;

/**
 * Waits for the turn of a group. The first archive of a set is packed alone, so that the drive can begin early: in
 * parallel, sharing the compression threads, it would finish only with the others. After that, groups are packed in
 * parallel.
 */
export async function beginPacking(catalog: Catalog, setId: string, attempt: Attempt): Promise<Packing> {
  while (isFirstUnderWay(setId) && !(await hasArchive(catalog, setId))) await pauseFor(attempt, lookEveryMs);
  const mine: Running = { setId, bytesIn: 0, movedAt: performance.now() };
  running.add(mine);
  return {
    note(bytesIn) {
      if (bytesIn === mine.bytesIn) return;
      mine.bytesIn = bytesIn;
      mine.movedAt = performance.now();
    },
    end: () => running.delete(mine),
  };
}

function isFirstUnderWay(setId: string): boolean {
  const since = performance.now() - stillMs;
  return [...running].some((other) => other.setId === setId && other.movedAt > since);
}
