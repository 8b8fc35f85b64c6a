import type { Catalog } from '../../open-catalog.js';
import type { PlannedArchive } from '../retrievals.js';
import { committedCopies, type CopyOnTape, inTapeOrder, plannedOf } from './copies-on-tape.js';

/** All copies of every archive of a set, or every archive on a tape; optionally a random sample. */
export async function planVerify(
  db: Catalog,
  what: { setId: string } | { tape: string },
  samplePercent: number,
): Promise<PlannedArchive[]> {
  const copies = inTapeOrder(await committedCopies(db, what));
  if (samplePercent >= 100) return copies.map((copy) => plannedOf(copy));
  const count = Math.max(1, Math.round((copies.length * samplePercent) / 100));
  const chosen = new Set<CopyOnTape>();
  while (chosen.size < Math.min(count, copies.length)) {
    const copy = copies[Math.floor(Math.random() * copies.length)];
    if (copy !== undefined) chosen.add(copy);
  }
  return copies.filter((copy) => chosen.has(copy)).map((copy) => plannedOf(copy));
}
