import type { Catalog } from '../../catalog/open-catalog.js';
import { listTapes } from '../../catalog/tapes/tapes.js';
import { defaultReserve } from '../drives/drive.js';
import { ltfsReserve } from '../ltfs/ltfs.js';
import { poolLimit } from './tape-limit.js';

/** The tapes that archives of a size would go to. */
export interface TapesNeeded {
  pool: string;
  /** Names of tapes with room, the one with most room first. */
  names: string[];
  /** Number of further empty tapes; undefined: no tape of the pool is known, which says how large they are. */
  more: number | undefined;
}

/** On how many tapes of a pool archives of so many bytes together find room. */
export async function tapesNeeded(db: Catalog, pool: string, bytes: number): Promise<TapesNeeded> {
  const tapes = (await listTapes(db))
    .filter((tape) => tape.pool === pool && tape.state === 'usable' && tape.read_only === 0)
    .map(({ name, free, capacity, volume }) => ({
      name,
      room: free - (volume === null ? defaultReserve(capacity) : ltfsReserve(capacity)),
    }))
    .filter(({ room }) => room > 0)
    .sort((a, b) => b.room - a.room);
  const names: string[] = [];
  let left = bytes;
  for (const { name, room } of tapes) {
    if (left <= 0) break;
    names.push(name);
    left -= room;
  }
  if (left <= 0) return { pool, names, more: 0 };
  const empty = await poolLimit(db, pool);
  return { pool, names, more: empty === undefined ? undefined : Math.ceil(left / empty) };
}
